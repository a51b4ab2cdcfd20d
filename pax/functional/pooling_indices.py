"""Maxima with the places they came from, and back to these places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Int, Num

from pax._core import ArgumentError, DtypeError, ShapeError
from pax.functional.arrays import as_array
from pax.functional.largest import largest
from pax.functional.pooling_max import comparable
from pax.functional.pooling_windows import Windows, channel_of, windows_over
from pax.functional.space import for_each_axis
from pax.functional.windows import Padding


def max_pool_with_indices(
    value: ArrayLike,
    window_shape: int | Sequence[int],
    strides: int | Sequence[int],
    padding: Padding,
    channel_axis: int | None = -1,
    *,
    rate: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> tuple[Num[Array, "..."], Int[Array, "..."]]:
    """Takes the maximum over sliding windows, and says which entry it is.

    y[o] = value[i[o]], the first of the largest entries of the window that `max_pool` looks at;
    i counts the entries of the spatial axes row by row, apart from batch and channels.

    Args:
        value: input, shape [B, ...], floating or integer.
        window_shape: size of the window, as for `max_pool`; 1 along batch and channels.
        strides: distance between two windows, likewise.
        padding: "SAME", "VALID" or pairs, likewise.
        channel_axis: the axis that an integer leaves out; None leaves out the batch axis alone.
        rate: distance between the entries of a window, likewise.
        ceil_mode: whether a last window may reach beyond the end, likewise.
    Returns:
        The maxima y, rank and dtype of value, and their indices i, int32.
    Raises:
        ArgumentError: if an argument is not one of these, or a window would hold padding alone.
        ShapeError: if a window does not fit its axis.
        DtypeError: if value is neither floating nor integer.
    Example:
        >>> x = jnp.array([3.0, 7.0, 5.0, 1.0]).reshape(1, 4, 1)
        >>> y, i = pax.functional.max_pool_with_indices(x, 2, 2, "VALID")
        >>> y.ravel(), i.ravel()
        (Array([7., 5.], dtype=float32), Array([1, 2], dtype=int32))
    """
    function = "max_pool_with_indices"
    value, lowest = comparable(function, value)
    windows = windows_over(
        function,
        value,
        window_shape,
        strides,
        padding,
        channel_axis,
        rate=rate,
        ceil_mode=ceil_mode,
    )
    skipped = (0, channel_of(function, value, channel_axis))
    for axis in skipped:
        if (windows.shape[axis], windows.strides[axis], windows.pairs[axis]) != (1, 1, (0, 0)):
            raise ArgumentError(
                f"{function} got a window of {windows.shape[axis]}, a stride of "
                f"{windows.strides[axis]} and padding {windows.pairs[axis]} for axis {axis}, which "
                "indices do not count.",
                "leave batch and channels out of window_shape, strides and padding.",
            )
    space = tuple(axis for axis in range(value.ndim) if axis not in skipped)
    return _max_with_indices(value, windows, space, lowest)


def max_unpool(
    value: ArrayLike,
    indices: ArrayLike,
    spatial_shape: int | Sequence[int],
    channel_axis: int | None = -1,
) -> Num[Array, "..."]:
    """Puts maxima back to where `max_pool_with_indices` found them, among zeros.

    y[i[o]] = value[o]. Where windows overlap an index may come twice: one of its values stays,
    and gets the gradient.

    Args:
        value: what was made of the maxima, shape [B, ...], floating or integer.
        indices: where each of them goes, the same shape, integer. One that is not among the
            entries of the output is left out.
        spatial_shape: size of the output, an integer or one for each spatial axis.
        channel_axis: the axis of the channels; None where there are none.
    Returns:
        Shape of value with other spatial axes; dtype of value.
    Raises:
        ArgumentError: if an argument is not one of these.
        ShapeError: if indices and value have different shapes.
        DtypeError: if value is neither floating nor integer, or indices are not integer.
    Example:
        >>> y, i = jnp.array([[[7.0], [5.0]]]), jnp.array([[[1], [2]]])
        >>> pax.functional.max_unpool(y, i, 4).ravel()
        Array([0., 7., 5., 0.], dtype=float32)
    """
    value, _ = comparable("max_unpool", value)
    indices = as_array("max_unpool", "indices", indices)
    if not jnp.issubdtype(indices.dtype, jnp.integer):
        raise DtypeError(
            f"max_unpool got indices of dtype {indices.dtype}; expected integer.",
            "give it the second output of max_pool_with_indices.",
        )
    if indices.shape != value.shape:
        raise ShapeError(
            f"max_unpool got value of shape {value.shape} and indices of shape {indices.shape}; "
            "expected the same.",
            "give it the indices of the pooling that made value.",
        )
    channel = channel_of("max_unpool", value, channel_axis)
    count = value.ndim - len({0, channel})
    sizes = for_each_axis("max_unpool", "spatial_shape", spatial_shape, count)
    return _max_unpool(value, indices, sizes, channel)


@partial(jax.jit, static_argnums=(1, 2, 3), inline=True)  # one dispatch where called eagerly
def _max_with_indices(
    value: Array, windows: Windows, space: tuple[int, ...], lowest: float
) -> tuple[Array, Array]:
    sizes = [size if axis in space else 1 for axis, size in enumerate(value.shape)]
    places = np.arange(math.prod(sizes), dtype=np.int32).reshape(sizes)
    parts = (
        jnp.pad(value, windows.pairs, constant_values=lowest),
        jnp.pad(jnp.broadcast_to(places, value.shape), windows.pairs, constant_values=-1),
    )
    for axis in reversed(space):
        over = windows.shape[axis], windows.strides[axis], windows.rate[axis]
        parts = largest(parts, axis, *over)
    maxima, indices = parts
    return maxima, indices


@partial(jax.jit, static_argnums=(2, 3), inline=True)
def _max_unpool(value: Array, indices: Array, sizes: tuple[int, ...], channel: int) -> Array:
    # [B, ..., C] -> [B, C, L]: the places of one channel of one image are a row
    value, indices = (jnp.moveaxis(part, channel or 1, 1) for part in (value, indices))
    lead = value.shape[: 2 if channel else 1]
    rows = (math.prod(lead), math.prod(value.shape[len(lead) :]))
    total = math.prod(sizes)
    indices = jnp.where(indices < 0, total, indices).reshape(rows)  # negative ones count back
    empty = jnp.zeros((rows[0], total), value.dtype)
    filled = empty.at[np.arange(rows[0])[:, None], indices].set(value.reshape(rows), mode="drop")
    return jnp.moveaxis(filled.reshape(*lead, *sizes), 1, channel or 1)
