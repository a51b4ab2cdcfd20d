"""Attention: averages of values, weighted by how well keys match a query."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
from jax import Array, ShapeDtypeStruct
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ShapeError
from pax.functional.arrays import accumulation_dtype, as_array, as_floating, check_floating, promote
from pax.functional.attention_choice import AttentionChoice, choose, here
from pax.functional.attention_chunked import attend_chunked
from pax.functional.attention_options import (
    NAME,
    Extras,
    Rule,
    Shaped,
    as_extras,
    check_extras,
    check_rule,
    in_rank,
)
from pax.functional.attention_quadratic import attend_quadratic


def dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    is_causal: bool = False,
    window: int | None = None,
    query_positions: ArrayLike | None = None,
    key_positions: ArrayLike | None = None,
    query_segment_ids: ArrayLike | None = None,
    key_segment_ids: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    alibi_slopes: ArrayLike | None = None,
    scale: float | None = None,
    soft_cap: float | None = None,
    sinks: ArrayLike | None = None,
    dropout_rate: float = 0.0,
    rng_key: ArrayLike | None = None,
    implementation: str | None = None,
) -> Float[Array, "*B T H V"]:
    """Averages values by the softmax of query-key products, for each head apart.

    y[t] = sum_s w[t, s] value[s], with w[t, :] the softmax over s of

    soft_cap * tanh(scale * query[t] . key[s] / soft_cap)
    + bias[t, s] - alibi_slopes[h] * |query_positions[t] - key_positions[s]|

    among the s that may be seen, in each head h; what is None is left out. The softmax is
    computed in float32 at least. A query that may attend to nothing gives zeros.

    The implementations differ in time and memory only: "quadratic" holds all scores, [T, S];
    "chunked" holds [128, 128] of them at a time, and computes them again for the gradient;
    "cudnn" is the kernel behind `jax.nn.dot_product_attention`, for float16 and bfloat16 on NVIDIA
    GPUs, with no arrays but query, key and value, with `jax.grad` but neither `jax.jvp` nor second
    derivatives. "quadratic" and "chunked" drop the same weights.

    Args:
        query: shape [..., T, H, K], floating.
        key: shape [..., S, G, K]; head h of the query attends to head h // (H / G).
        value: shape [..., S, G, V].
        mask: nonzero or True where a query may attend to a key; shape [T, S], or with all
            leading axes and the head axis of the query, [..., 1 or H, T, S]; any axis may be 1.
            None allows all. All that is said of what may be seen must hold together.
        is_causal: whether a query may attend only to keys whose position is not beyond its own.
        window: positions of query and key must differ by less than this: the number of keys seen
            if is_causal, the own place included.
        query_positions: integers, shape [T] or [..., T]; None is 0 ... T - 1.
        key_positions: integers, shape [S] or [..., S]; None is 0 ... S - 1. Where one is negative,
            as for an empty place of a cache, no query sees the key.
        query_segment_ids: integers, shape [T] or [..., T]: a query sees the keys of its own id
            only, as where several texts lie in one sequence.
        key_segment_ids: integers, shape [S] or [..., S].
        bias: added to the scores, floating, of the shapes of a mask.
        alibi_slopes: shape [H], floating, the slope of each head.
        scale: what products are multiplied with; None is K ** -0.5.
        soft_cap: bound of the scaled products; None is none.
        sinks: shape [H], floating: a score for each head that only adds to the sum the softmax
            divides by, as a key with a value of zeros would.
        dropout_rate: probability of dropping a weight, 0 <= p < 1; the others are divided by
            1 - p.
        rng_key: the random key of what is dropped; with a dropout_rate above 0 only.
        implementation: "quadratic", "chunked" or "cudnn"; None takes "cudnn" where it applies,
            otherwise "chunked" where the scores are large. `attention_implementation` tells.
    Returns:
        Shape [..., T, H, V], in the dtype `jnp` promotes query, key and value to.
    Raises:
        ShapeError: if the shapes do not fit together; for a mask [B, T, S] without head axis.
        DtypeError: if query, key, value, bias, alibi_slopes or sinks are not floating, positions
            or ids not integers.
        ArgumentError: if a number is out of range, a rate without key or a key without rate, ids
            of one side only, or if "cudnn" or an unknown implementation does not apply.
    Example:
        >>> query, key, value = jnp.ones((3, 1, 5, 2, 4))
        >>> pax.functional.dot_product_attention(query, key, value, is_causal=True).shape
        (1, 5, 2, 4)
    Source: Vaswani et al., "Attention is all you need", 2017 (arXiv 1706.03762); in chunks: Rabe
        and Staats, "Self-attention does not need O(n^2) memory", 2021 (arXiv 2112.05682); slopes:
        Press et al., "Train short, test long", 2021 (arXiv 2108.12409); sinks: Xiao et al.,
        "Efficient streaming language models with attention sinks", 2023 (arXiv 2309.17453).
    """
    query = as_floating(NAME, "query", query)
    key = as_floating(NAME, "key", key)
    value = as_floating(NAME, "value", value)
    extras = Extras(
        mask,
        query_positions,
        key_positions,
        query_segment_ids,
        key_segment_ids,
        bias,
        alibi_slopes,
        sinks,
        rng_key,
    )
    extras = as_extras(extras)
    rule = Rule(is_causal, window, scale, soft_cap, dropout_rate)
    choice = _decide(query, key, value, extras, rule, implementation)
    return _attend(*promote(query, key, value), extras, rule, choice.implementation)


def attention_implementation(
    query: ArrayLike | ShapeDtypeStruct,
    key: ArrayLike | ShapeDtypeStruct,
    value: ArrayLike | ShapeDtypeStruct,
    mask: ArrayLike | ShapeDtypeStruct | None = None,
    *,
    implementation: str | None = None,
    **options: Any,
) -> AttentionChoice:
    """Tells which implementation `dot_product_attention` takes for these arguments, and why.

    Only shapes and dtypes count, and the device that JAX computes on by default.

    Args:
        query: as there, or a `jax.ShapeDtypeStruct`; so are all arrays.
        key: as there.
        value: as there.
        mask: as there.
        implementation: as there.
        options: all other keyword arguments, as there.
    Returns:
        The name, `implementation`, and the `reason`.
    Raises:
        ShapeError: as there.
        DtypeError: as there.
        ArgumentError: as there.
    Example:
        >>> x = jax.ShapeDtypeStruct((8, 16384, 4, 64), jnp.float32)
        >>> print(pax.functional.attention_implementation(x, x, x))
        chunked: scores of 8 x 4 x 16384 x 16384 would take 34 GB
    """
    query = _shape_of("query", query)
    key = _shape_of("key", key)
    value = _shape_of("value", value)
    numbers = {name: options.pop(name) for name in Rule._fields[:-1] if name in options}
    for name in options:
        if name not in Extras._fields:
            raise TypeError(f"attention_implementation got an unexpected argument {name!r}")
    extras, rule = as_extras(Extras(mask, **options)), Rule(**numbers)
    return _decide(query, key, value, extras, rule, implementation)


def _decide(
    query: Shaped,
    key: Shaped,
    value: Shaped,
    extras: Extras,
    rule: Rule,
    implementation: str | None,
) -> AttentionChoice:
    """Returns what is taken, after all checks."""
    _check_shapes(query, key, value)
    check_rule(rule, extras)
    check_extras(extras, query, key)
    return choose(here(query, key, value, extras, rule), implementation)


@partial(jax.jit, inline=True, static_argnums=(4, 5))  # one dispatch where called eagerly
def _attend(
    query: Array, key: Array, value: Array, extras: Extras, rule: Rule, implementation: str
) -> Array:
    if implementation == "cudnn":
        return _attend_cudnn(query, key, value, rule)
    positions = (extras.query_positions, extras.key_positions)
    rule = rule._replace(
        scale=query.shape[-1] ** -0.5 if rule.scale is None else rule.scale,
        counts_places=positions == (None, None),
    )
    extras = in_rank(rule, extras, query, key, accumulation_dtype(query))
    attend = attend_chunked if implementation == "chunked" else attend_quadratic
    return attend(query, key, value, extras, rule)


def _attend_cudnn(query: Array, key: Array, value: Array, rule: Rule) -> Array:
    flat = (x.reshape(-1, *x.shape[-3:]) for x in (query, key, value))
    y = jax.nn.dot_product_attention(
        *flat,
        scale=rule.scale,
        is_causal=rule.is_causal,
        local_window_size=None if rule.window is None else (rule.window - 1, 0),
        implementation="cudnn",
    )
    return y.reshape(query.shape)


def _shape_of(argument: str, value: ArrayLike | ShapeDtypeStruct) -> ShapeDtypeStruct:
    if not isinstance(value, ShapeDtypeStruct):
        value = as_array(NAME, argument, value)
    check_floating(NAME, argument, value.dtype)
    return ShapeDtypeStruct(value.shape, value.dtype)


def _check_shapes(query: Shaped, key: Shaped, value: Shaped) -> None:
    """Raises unless the arrays are [..., T, H, K], [..., S, G, K] and [..., S, G, V]."""
    fits = (
        query.ndim == key.ndim == value.ndim >= 3
        and query.shape[:-3] == key.shape[:-3] == value.shape[:-3]
        and query.shape[-1] == key.shape[-1]
        and key.shape[-3:-1] == value.shape[-3:-1]
    )
    if not fits:
        raise ShapeError(
            f"{NAME} got query {query.shape}, key {key.shape}, value {value.shape}; expected "
            "(..., T, H, K), (..., S, G, K), (..., S, G, V).",
            "split the last axis into heads, x.reshape(*x.shape[:-1], num_heads, key_size), and "
            "give all three equal leading axes.",
        )
    heads, groups = query.shape[-2], key.shape[-2]
    if heads != groups and (groups == 0 or heads % groups):
        raise ShapeError(
            f"{NAME} got a query of {heads} heads and a key of {groups}; expected a multiple of "
            "the heads of the key.",
            "let as many query heads share each key head: num_heads = n * num_key_heads.",
        )
