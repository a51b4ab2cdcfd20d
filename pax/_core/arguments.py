"""What constructors expect of their arguments, and the errors when it is not so."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pax._core.errors import ArgumentError

#: Creates a parameter: `init(rng_key, shape) -> array`.
Initializer = Callable[..., Any]


def sizes(layer: str, **values: Any) -> None:
    """Raises unless every value is an integer of at least 1."""
    for name, value in values.items():
        if not is_int(value) or value < 1:
            raise ArgumentError(
                f"{layer} got {name}={value!r}; expected an integer of at least 1.",
                f"set {name} to a positive integer.",
            )


def flags(layer: str, **values: Any) -> None:
    """Raises unless every value is True or False."""
    for name, value in values.items():
        if not isinstance(value, (bool, np.bool_)):
            raise ArgumentError(
                f"{layer} got {name} of type {type(value).__name__}; expected True or False.",
                f"write {name}=True, and name the arguments after it.",
            )


def is_int(value: Any) -> bool:
    """Returns whether a value is an integer, and not a truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def is_number(value: Any) -> bool:
    """Returns whether a value is a finite real number, and not a truth value."""
    return (is_int(value) or isinstance(value, (float, np.floating))) and math.isfinite(value)


def integer(layer: str, name: str, value: Any, at_least: float = -math.inf) -> None:
    """Raises unless a value is an integer, of at least this size."""
    if not is_int(value) or value < at_least:
        limit = "" if at_least == -math.inf else f" of at least {at_least}"
        raise ArgumentError(
            f"{layer} got {name}={value!r}; expected an integer{limit}.",
            f"write {name}=1.",
        )


def number(layer: str, name: str, value: Any) -> float:
    """Returns a number as a Python float, which never widens the dtype of an array."""
    if not is_number(value):
        raise ArgumentError(
            f"{layer} got {name}={value!r}; expected a finite number.", f"write {name}=1.0."
        )
    return float(value)


def rate(layer: str, name: str, value: Any, *, may_be_one: bool) -> float:
    """Returns a number from 0 to 1, with or without 1 itself, as a Python float."""
    if not is_number(value) or not 0 <= value <= 1 or (value == 1 and not may_be_one):
        interval = "[0, 1]" if may_be_one else "[0, 1)"
        raise ArgumentError(
            f"{layer} got {name}={value!r}; expected a number in {interval}.",
            f"write {name}={0.9 if name == 'decay_rate' else 0.1}.",
        )
    return float(value)


def positive(layer: str, name: str, value: Any) -> float:
    """Returns a positive number as a Python float."""
    if not is_number(value) or not value > 0:
        raise ArgumentError(
            f"{layer} got {name}={value!r}; expected a positive number.",
            f"set {name} to a positive number.",
        )
    return float(value)


def axis(layer: str, value: Any) -> int | slice | tuple[int, ...]:
    """Returns an argument that names axes: an int, a slice, or a sequence of ints as a tuple."""
    if is_int(value) or isinstance(value, slice):
        return value
    if isinstance(value, Sequence) and len(value) > 0 and all(map(is_int, value)):
        return tuple(map(operator.index, value))
    raise ArgumentError(
        f"{layer} got axis={value!r}; expected an int, a slice, or a sequence of ints.",
        "write axis=-1 for the last axis, or axis=slice(1, None) for all but the first.",
    )


def size_tuple(layer: str, name: str, value: Any, n: int) -> tuple[int, ...]:
    """Returns an argument that is one integer, or one for each of `n` axes, as a tuple."""
    items = (value,) * n if is_int(value) else value
    if (
        not isinstance(items, Sequence)
        or isinstance(items, str)
        or len(items) != n
        or not all(is_int(x) and x >= 1 for x in items)
    ):
        raise ArgumentError(
            f"{layer} got {name}={value!r}; expected a positive integer or {n} of them.",
            f"write {name}=3 or {name}={tuple([3] * n)}.",
        )
    return tuple(map(operator.index, items))


def padding(
    layer: str, value: Any, n: int, names: Sequence[str] = ("SAME", "VALID")
) -> str | tuple[tuple[int, int], ...]:
    """Returns a padding argument as one of the names or a tuple of pairs."""
    if isinstance(value, str):
        if value.upper() in names:
            return value.upper()
    elif isinstance(value, Sequence) and len(value) == n and all(map(_is_pair, value)):
        return tuple((operator.index(a), operator.index(b)) for a, b in value)
    raise ArgumentError(
        f"{layer} got padding={value!r}; expected {', '.join(map(repr, names))} or {n} pairs of "
        "sizes (before, after).",
        f"write padding='SAME' or padding={[(1, 1)] * n}.",
    )


#: What may stand in the padding, after PyTorch.
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def padding_mode(layer: str, mode: Any, padding: Any) -> str:
    """Returns what stands in the padding; raises if it would break a causal one."""
    one_of(layer, "padding_mode", mode, PADDING_MODES)
    if padding == "CAUSAL" and mode in ("reflect", "circular"):
        raise ArgumentError(
            f"{layer} got padding='CAUSAL' and padding_mode={mode!r}, which pads with entries that "
            "come later.",
            "write padding_mode='zeros' or 'replicate'.",
        )
    return mode


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, Sequence) and len(value) == 2 and all(is_int(x) and x >= 0 for x in value)
    )


def heads_of(owner: str, dim: int, num_heads: int) -> None:
    """Raises unless a width can be divided among attention heads."""
    if dim % num_heads:
        raise ArgumentError(
            f"{owner} got dim={dim} and num_heads={num_heads}, which does not divide it.",
            "choose a number of heads that divides dim.",
        )


def one_of(layer: str, name: str, value: Any, choices: Sequence[str]) -> None:
    """Raises unless a value is one of the choices."""
    if value not in choices:
        raise ArgumentError(
            f"{layer} got {name}={value!r}; expected one of {', '.join(map(repr, choices))}.",
            f"write {name}={choices[0]!r}.",
        )


def initializer(layer: str, name: str, value: Any) -> None:
    """Raises unless a value can be called as an initializer, or is None."""
    if value is not None and not callable(value):
        raise ArgumentError(
            f"{layer} got {name} of type {type(value).__name__}, which cannot be called.",
            f"pass a function of (rng_key, shape): {name}=jax.nn.initializers.normal(0.02).",
        )


def drawn(layer: str, name: str, init: Initializer, rng_key: Any, shape: tuple[int, ...]) -> Array:
    """Returns what an initializer draws, as a JAX array; raises if it has another shape."""
    value = jnp.asarray(init(rng_key, shape))
    if value.shape != shape:
        raise ArgumentError(
            f"{layer} got an array of shape {value.shape} from {name}; expected {shape}.",
            f"let {name} return an array of the shape that it is given: {name}(rng_key, shape).",
        )
    return value
