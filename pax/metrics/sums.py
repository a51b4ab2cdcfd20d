"""Sums that stay exact: two float32 numbers that stand for one of twice the digits.

A float32 cannot count beyond 2^24, and an int32 not beyond 2^31. A pair counts to 2^48, takes
weights that are no integers, and adds up to the same in any order but for its last digit.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


class Sum(NamedTuple):
    """The number high + low, where low is what high has no digits for."""

    high: Array
    low: Array


def zeros(shape: tuple[int, ...] = ()) -> Sum:
    """Returns sums of nothing; the arrays compile nothing."""
    return Sum(*(jax.device_put(np.zeros(shape, np.float32)) for _ in range(2)))


def plus(a: Sum, b: Sum) -> Sum:
    """Returns a + b, without what rounding would lose.

    Source: Dekker, "A floating-point technique for extending the available precision", 1971.
    """
    high, error = _two_sum(a.high, b.high)
    return _normalized(high, error + (a.low + b.low))


def of_floats(x: Array) -> Sum:
    """Returns floating numbers as sums; float64 ones keep twice the digits of float32."""
    high = x.astype(jnp.float32)
    low = (x - high.astype(x.dtype)).astype(jnp.float32) if x.dtype == np.float64 else None
    return Sum(high, jnp.zeros_like(high) if low is None else low)


def of_counts(n: Array) -> Sum:
    """Returns integers that are not negative, up to 2^31, as sums."""
    n = n.astype(jnp.int32)
    high, low = (n >> 16).astype(jnp.float32) * np.float32(2**16), (n & 0xFFFF).astype(jnp.float32)
    return _normalized(high, low)


def counted(is_one: Array, weights: Array | None) -> Sum:
    """Returns how many are true, each as often as its weight says, over all axes."""
    if weights is None:
        return of_counts(jnp.sum(is_one, dtype=jnp.int32))
    if weights.dtype == bool:
        return of_counts(jnp.sum(is_one & weights, dtype=jnp.int32))
    return of_floats(jnp.sum(jnp.where(is_one, weights, 0)))


def counted_at(places: Array, size: int, weights: Array | None) -> Sum:
    """Returns how often each of the places 0 ... size - 1 comes, as often as the weights say."""
    if weights is None or weights.dtype == bool:
        ones = jnp.ones(places.shape, jnp.int32) if weights is None else weights.astype(jnp.int32)
        return of_counts(jnp.zeros(size, jnp.int32).at[places].add(ones, mode="drop"))
    return of_floats(jnp.zeros(size, weights.dtype).at[places].add(weights, mode="drop"))


def summed(values: Array, weights: Array | None) -> Sum:
    """Returns the sum of floating numbers, each times its weight, over all axes.

    What has weight 0 adds 0, whatever it is.
    """
    if weights is not None and weights.dtype == bool:
        values = jnp.where(weights, values, 0)
    elif weights is not None:
        values = jnp.where(weights == 0, 0, weights.astype(values.dtype) * values)
    return of_floats(jnp.sum(values))


def weight_of(shape: tuple[int, ...], weights: Array | None) -> Sum:
    """Returns the sum of the weights, of this shape; where None each is 1."""
    if weights is not None:
        return counted(jnp.ones(shape, bool), weights)
    n = math.prod(shape)
    high = np.float32(n)
    return Sum(jnp.asarray(high), jnp.asarray(np.float32(n - int(high))))


def spoiled(a: Sum, is_wrong: Array) -> Sum:
    """Returns the sums, NaN for good if what they were made of is wrong."""
    return Sum(jnp.where(is_wrong, jnp.nan, a.high), a.low)


def over_first_axis(merge: Any, parts: Any) -> Any:
    """Returns what lies along the first axis of every array, merged by halves: `merge(a, b)`."""

    def cut(tree: Any, start: int, end: int | None = None) -> Any:
        return jax.tree.map(lambda x: x[start:end], tree)

    n = len(jax.tree.leaves(parts)[0])
    while n > 1:
        half = n // 2
        merged = merge(cut(parts, 0, half), cut(parts, half, 2 * half))
        rest = cut(parts, 2 * half)  # one or none
        parts = jax.tree.map(lambda *xs: jnp.concatenate(xs), merged, rest)
        n -= half
    return jax.tree.map(lambda x: x[0] if n else jnp.zeros(x.shape[1:], x.dtype), parts)


def gathered(parts: Any, axis_name: Any) -> Any:
    """Returns the arrays of all devices of a mapped axis along a new first axis, on each alike."""
    count, index = jax.lax.psum(1, axis_name), jax.lax.axis_index(axis_name)

    def over_devices(x: Array) -> Array:
        # Each device adds its part in a place of its own to zeros, so that nothing is rounded.
        return jax.lax.psum(jnp.zeros((count, *x.shape), x.dtype).at[index].set(x), axis_name)

    return jax.tree.map(over_devices, parts)


def value(a: Sum) -> Array:
    """Returns the sums as plain numbers, float64 where JAX has it."""
    dtype = jax.dtypes.canonicalize_dtype(np.float64)
    return a.high.astype(dtype) + a.low.astype(dtype)


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """Returns a + b rounded, and what the rounding took."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def _normalized(high: Array, low: Array) -> Sum:
    total = high + low
    return Sum(total, low - (total - high))
