"""What a query may see and how scores are made: the options of attention, checked."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, ShapeDtypeStruct
from jax.typing import ArrayLike

from pax._core import ArgumentError, DtypeError, ShapeError
from pax.functional.arrays import as_array, check_floating
from pax.functional.dropout import check_rate

NAME = "dot_product_attention"

Shaped = Array | ShapeDtypeStruct


class Rule(NamedTuple):
    """The options that are numbers: static where a program is compiled."""

    is_causal: bool = False
    window: int | None = None
    scale: float | None = None
    soft_cap: float | None = None
    dropout_rate: float = 0.0
    counts_places: bool = True  # whether position t is place t, of queries and of keys

    def in_use(self) -> tuple[str, ...]:
        """Returns the names of the options that not every implementation takes."""
        pairs = zip(self._fields, self, strict=True)
        return tuple(n for n, v in pairs if v and n in ("window", "soft_cap", "dropout_rate"))


class Extras(NamedTuple):
    """The options that are arrays, None where not given.

    After `in_rank` all but the random key have the rank of the scores, [..., H, T, S], each axis
    as long as there or of size 1, and the positions are there if anything depends on them.
    """

    mask: Any = None
    query_positions: Any = None
    key_positions: Any = None
    query_segment_ids: Any = None
    key_segment_ids: Any = None
    bias: Any = None
    alibi_slopes: Any = None
    sinks: Any = None
    rng_key: Any = None

    def given(self) -> tuple[str, ...]:
        """Returns the names of what is not None."""
        pairs = zip(self._fields, self, strict=True)
        return tuple(name for name, value in pairs if value is not None)

    def map(self, function: Callable[[Array], Array]) -> Extras:
        """Returns the function of each array but the random key."""
        return jax.tree.map(function, self._replace(rng_key=None))._replace(rng_key=self.rng_key)

    def floating(self) -> Extras:
        """Returns only what scores are differentiated by."""
        return Extras(bias=self.bias, alibi_slopes=self.alibi_slopes)

    def replaced(self, floating: Extras) -> Extras:
        """Returns all, with these in the place of what scores are differentiated by."""
        return self._replace(bias=floating.bias, alibi_slopes=floating.alibi_slopes)


def check_rule(rule: Rule, extras: Extras) -> None:
    """Raises unless the numbers are in range, and a rate has its random key."""
    window, scale, cap = rule.window, rule.scale, rule.soft_cap
    if window is not None and (
        not isinstance(window, numbers.Integral) or isinstance(window, bool) or window < 1
    ):
        raise ArgumentError(
            f"{NAME} got window={window!r}; expected a positive integer or None.",
            "give the number of places that are seen on one side, the own one included.",
        )
    if scale is not None and not _is_finite(scale):
        raise ArgumentError(
            f"{NAME} got scale={scale!r}; expected a finite number or None.",
            "leave it None for K ** -0.5; multiply the query by a scale that is an array.",
        )
    if cap is not None and not (_is_finite(cap) and cap > 0):
        raise ArgumentError(
            f"{NAME} got soft_cap={cap!r}; expected a positive number or None.",
            "give the bound of the scores, e.g. soft_cap=50.0, or None for no bound.",
        )
    check_rate(NAME, rule.dropout_rate)
    if (rule.dropout_rate > 0) != (extras.rng_key is not None):
        has_key = "no rng_key" if extras.rng_key is None else "an rng_key"
        raise ArgumentError(
            f"{NAME} got dropout_rate={rule.dropout_rate!r} and {has_key}; expected both or "
            "neither.",
            "pass rng_key=pax.next_rng_key() with a rate above 0, and None without.",
        )


def _is_finite(value: Any) -> bool:
    return isinstance(value, numbers.Real) and math.isfinite(value)


def as_extras(extras: Extras) -> Extras:
    """Returns what is given as arrays, but for shapes with dtypes and the random key."""

    def convert(name: str, value: ArrayLike | ShapeDtypeStruct | None) -> Any:
        is_array = value is None or name == "rng_key" or isinstance(value, ShapeDtypeStruct)
        return value if is_array else as_array(NAME, name, value)

    pairs = zip(extras._fields, extras, strict=True)
    return Extras(*(convert(name, value) for name, value in pairs))


def check_extras(extras: Extras, query: Shaped, key: Shaped) -> None:
    """Raises unless the arrays fit query and key, in shape and in dtype."""
    if extras.mask is not None:
        _in_scores("mask", extras.mask, query, key)
    if extras.bias is not None:
        check_floating(NAME, "bias", extras.bias.dtype)
        _in_scores("bias", extras.bias, query, key)
    for name in ("alibi_slopes", "sinks"):
        _check_of_heads(name, getattr(extras, name), query)
    if (extras.query_segment_ids is None) != (extras.key_segment_ids is None):
        one, other = "query_segment_ids", "key_segment_ids"
        if extras.query_segment_ids is None:
            one, other = other, one
        raise ArgumentError(
            f"{NAME} got {one} without {other}; expected both or neither.",
            f"pass {other} too; it is the same array where a sequence attends to itself.",
        )
    for name, array in (("query", query), ("key", key)):
        for what in ("positions", "segment_ids"):
            _check_of_places(f"{name}_{what}", getattr(extras, f"{name}_{what}"), array)


def _check_of_heads(name: str, array: Shaped | None, query: Shaped) -> None:
    if array is None:
        return
    check_floating(NAME, name, array.dtype)
    heads = query.shape[-2]
    if array.shape != (heads,):
        raise ShapeError(
            f"{NAME} got {name} of shape {array.shape}; expected ({heads},).",
            "give one number for each head of the query.",
        )


def _check_of_places(name: str, array: Shaped | None, sequence: Shaped) -> None:
    if array is None:
        return
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise DtypeError(
            f"{NAME} got {name} of dtype {array.dtype}; expected an integer dtype.",
            f"convert it first, e.g. {name}.astype(jnp.int32).",
        )
    *lead, places = sequence.shape[:-2]
    shape = (1,) * len(lead) + array.shape if len(array.shape) == 1 else array.shape
    fits = len(shape) == len(lead) + 1 and shape[-1] == places
    if not (fits and all(n in (1, m) for n, m in zip(shape, lead, strict=False))):
        full = "" if not lead else f" or {(*lead, places)}"
        raise ShapeError(
            f"{NAME} got {name} of shape {array.shape}; expected ({places},){full}.",
            "give one integer for each place, with all leading axes or with none.",
        )


def scores_shape(query: Shaped, key: Shaped) -> tuple[int, ...]:
    """Returns the shape of the scores, [..., H, T, S]."""
    *lead, queries, heads, _ = query.shape
    return (*lead, heads, queries, key.shape[-3])


def _in_scores(name: str, array: Shaped, query: Shaped, key: Shaped) -> tuple[int, ...]:
    """Returns the shape of a mask, or a bias, in the rank of the scores."""
    given, scores = array.shape, scores_shape(query, key)
    shape = (1,) * (len(scores) - 2) + given if len(given) == 2 else given
    if len(shape) == len(scores) and all(m in (1, n) for m, n in zip(shape, scores, strict=True)):
        return shape
    fix = f"pass a {name} of shape [T, S], or [B, 1 or H, T, S] with an axis for the heads."
    if len(given) == len(scores) - 1:
        fix = f"add the head axis: {name}[:, None]."
        if name == "bias":
            fix = "add the batch axis to one of [H, T, S]: bias[None]."
    raise ShapeError(
        f"{NAME} got {name} of shape {given} for scores of shape {scores} [..., H, T, S].",
        fix,
    )


def in_rank(rule: Rule, extras: Extras, query: Array, key: Array, dtype: np.dtype) -> Extras:
    """Returns the arrays in the rank of the scores, small ones in the dtype of the scores."""
    scores = scores_shape(query, key)
    lead = len(scores) - 3

    def of_heads(x: Array | None) -> Array | None:
        return None if x is None else x.astype(dtype).reshape((1,) * lead + (-1, 1, 1))

    def of_places(x: Array | None, axes: tuple[int, ...]) -> Array | None:
        if x is None:
            return None
        x = x.astype(np.int32).reshape((1,) * (lead + 1 - x.ndim) + x.shape)
        return jnp.expand_dims(x, axes)

    mask, bias = extras.mask, extras.bias
    if mask is not None:
        mask = mask.astype(bool).reshape(_in_scores("mask", mask, query, key))
    if bias is not None:
        bias = bias.reshape(_in_scores("bias", bias, query, key))
        if 1 in bias.shape[-2:]:  # its gradient is a sum; a larger one stays as small as it is
            bias = bias.astype(dtype)
    t, s = extras.query_positions, extras.key_positions
    if rule.is_causal or rule.window or extras.alibi_slopes is not None:
        t = jnp.arange(scores[-2], dtype=np.int32) if t is None else t
        s = jnp.arange(scores[-1], dtype=np.int32) if s is None else s
    return Extras(
        mask=mask,
        query_positions=of_places(t, (-3, -1)),
        key_positions=of_places(s, (-3, -2)),
        query_segment_ids=of_places(extras.query_segment_ids, (-3, -1)),
        key_segment_ids=of_places(extras.key_segment_ids, (-3, -2)),
        bias=bias,
        alibi_slopes=of_heads(extras.alibi_slopes),
        sinks=of_heads(extras.sinks),
        rng_key=extras.rng_key,
    )
