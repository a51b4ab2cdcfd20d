"""Adaptive pooling: windows that divide an axis of any size into a given number of bins."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float, Num

from pax._core import ArgumentError, ShapeError, arguments
from pax.functional.arrays import accumulation_dtype, as_floating
from pax.functional.largest import larger, largest
from pax.functional.pooling_max import comparable
from pax.functional.pooling_windows import channel_of


def adaptive_avg_pool(
    value: ArrayLike,
    output_shape: int | Sequence[int | None],
    channel_axis: int | None = -1,
) -> Float[Array, "..."]:
    """Takes the means of bins, as many as asked for, whatever the size of the input.

    y[o] = mean of value[floor(o n / m)], ..., value[ceil((o + 1) n / m) - 1] for an axis of n
    entries and m outputs. Bins share entries where m does not divide n. The sums are made in
    float32 at least.

    Args:
        value: input, shape [B, ...], floating.
        output_shape: number m of outputs, an integer for all spatial axes, that is all axes but
            the batch axis 0 and `channel_axis`, or one for each; None keeps the size of an axis.
        channel_axis: the axis that has no bins; None leaves out the batch axis alone.
    Returns:
        Rank and dtype of value.
    Raises:
        ArgumentError: if an argument is not one of these.
        ShapeError: if a spatial axis is empty.
        DtypeError: if value is not floating.
    Example:
        >>> x = jnp.arange(5.0).reshape(1, 5, 1)
        >>> pax.functional.adaptive_avg_pool(x, 2).ravel()
        Array([1., 3.], dtype=float32)
    """
    value = as_floating("adaptive_avg_pool", "value", value)
    sizes = _output_sizes("adaptive_avg_pool", value, output_shape, channel_axis)
    return _means(value, sizes)


def adaptive_max_pool(
    value: ArrayLike,
    output_shape: int | Sequence[int | None],
    channel_axis: int | None = -1,
) -> Num[Array, "..."]:
    """Takes the maxima of bins, as many as asked for, whatever the size of the input.

    y[o] = max of value[floor(o n / m)], ..., value[ceil((o + 1) n / m) - 1] for an axis of n
    entries and m outputs. The gradient goes to the first of equal maxima.

    Args:
        value: input, shape [B, ...], floating or integer.
        output_shape: number m of outputs, as for `adaptive_avg_pool`.
        channel_axis: the axis that has no bins; None leaves out the batch axis alone.
    Returns:
        Rank and dtype of value.
    Raises:
        ArgumentError: if an argument is not one of these.
        ShapeError: if a spatial axis is empty.
        DtypeError: if value is neither floating nor integer.
    Example:
        >>> x = jnp.arange(5).reshape(1, 5, 1)
        >>> pax.functional.adaptive_max_pool(x, 2).ravel()
        Array([2, 4], dtype=int32)
    """
    value, _ = comparable("adaptive_max_pool", value)
    sizes = _output_sizes("adaptive_max_pool", value, output_shape, channel_axis)
    return _maxima(value, sizes)


def _output_sizes(
    function: str,
    value: Array,
    output_shape: int | Sequence[int | None],
    channel_axis: int | None,
) -> tuple[int, ...]:
    """Returns the size of each axis of the output; raises for sizes that cannot be."""
    skipped = {0, channel_of(function, value, channel_axis)}
    space = [axis for axis in range(value.ndim) if axis not in skipped]
    given = output_shape if isinstance(output_shape, Sequence) else (output_shape,) * len(space)
    if len(given) != len(space) or not all(
        entry is None or (arguments.is_int(entry) and entry >= 1) for entry in given
    ):
        raise ArgumentError(
            f"{function} got output_shape={output_shape!r}; expected a positive integer or "
            f"{len(space)} of them.",
            f"write output_shape={(1,) * len(space)}, with a number of your own for each of the "
            "spatial axes.",
        )
    if any(value.shape[axis] == 0 for axis in space):
        raise ShapeError(
            f"{function} got value of shape {value.shape}, which has a spatial axis of size 0.",
            "give it an input that is not empty; only the batch may be.",
        )
    sizes = list(value.shape)
    for axis, entry in zip(space, given, strict=True):
        sizes[axis] = value.shape[axis] if entry is None else operator.index(entry)
    return tuple(sizes)


def _bins(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns where each of the bins of an axis starts, and where it ends."""
    bins = np.arange(count)
    return bins * size // count, -(-(bins + 1) * size // count)


@partial(jax.jit, static_argnums=1, inline=True)  # one dispatch where called eagerly
def _means(value: Array, sizes: tuple[int, ...]) -> Array:
    means = value.astype(accumulation_dtype(value))
    tiles: list[int] = []
    for axis, (size, count) in enumerate(zip(value.shape, sizes, strict=True)):
        if count and size % count:
            means = _bin_means(means, axis, count)
            tiles += [count, 1]
        else:
            tiles += [count, size // count if count else 1]
    return means.reshape(tiles).mean(tuple(range(1, len(tiles), 2))).astype(value.dtype)


def _bin_means(value: Array, axis: int, count: int) -> Array:
    """Returns the means of bins along an axis that they do not divide.

    Few long bins are summed one by one; of many short ones the first entries, the second, ...
    """
    starts, ends = _bins(value.shape[axis], count)
    longest = int((ends - starts).max())
    if count <= longest:
        bins = zip(starts.tolist(), ends.tolist(), strict=True)
        each = (lax.slice_in_dim(value, start, end, axis=axis) for start, end in bins)
        return jnp.concatenate([part.mean(axis, keepdims=True) for part in each], axis)
    along = [-1 if a == axis else 1 for a in range(value.ndim)]
    sums = jnp.zeros((), value.dtype)
    for entry in range(longest):
        inside = starts + entry < ends
        found = jnp.take(value, np.where(inside, starts + entry, 0), axis, mode="clip")
        sums = sums + jnp.where(inside.reshape(along), found, jnp.zeros((), value.dtype))
    return sums / jnp.asarray((ends - starts).reshape(along), value.dtype)


@partial(jax.jit, static_argnums=1, inline=True)
def _maxima(value: Array, sizes: tuple[int, ...]) -> Array:
    for axis in reversed(range(value.ndim)):
        size, count = value.shape[axis], sizes[axis]
        if size == count:
            continue
        if size % count == 0:
            (value,) = largest((value,), axis, size // count, size // count)
            continue
        # Bins differ by one entry at most: each is covered by two windows of the shorter length.
        starts, ends = _bins(size, count)
        shorter = int((ends - starts).min())
        (running,) = largest((value,), axis, shorter)
        first = jnp.take(running, starts, axis, mode="clip")
        last = jnp.take(running, ends - shorter, axis, mode="clip")
        (value,) = larger((first,), (last,))
    return value
