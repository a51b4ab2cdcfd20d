"""Pooling by comparison: the maximum or minimum of windows that slide over the axes of an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Num

from pax._core import DtypeError
from pax.functional.arrays import as_array
from pax.functional.largest import largest
from pax.functional.pooling_windows import Windows, windows_over
from pax.functional.windows import Padding


def max_pool(
    value: ArrayLike,
    window_shape: int | Sequence[int],
    strides: int | Sequence[int],
    padding: Padding,
    channel_axis: int | None = -1,
    *,
    rate: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Num[Array, "..."]:
    """Takes the maximum over sliding windows.

    y[o] = max of value[o * strides + k * rate] over the offsets k of the window that lie inside
    the array. The gradient goes to the first of equal maxima.

    Args:
        value: input, shape [B, ...], floating or integer.
        window_shape: size of the window. An integer holds for each spatial axis, that is each
            axis but the batch axis 0 and `channel_axis`; a sequence has one entry for each axis
            of value, or for each but the batch axis.
        strides: distance between two windows, an integer or a sequence likewise.
        padding: "SAME" (ceil(size / stride) outputs), "VALID" (whole windows only), or pairs
            (before, after), one for each axis of value, or for each but the batch axis.
        channel_axis: the axis that an integer leaves out; None leaves out the batch axis alone.
        rate: distance between the entries of a window, an integer or a sequence likewise.
        ceil_mode: whether a last window may reach beyond the padded end, if it begins before the
            padding there. "SAME" leaves nothing to reach for.
    Returns:
        Rank and dtype of value.
    Raises:
        ArgumentError: if an argument is not one of these, or a window would hold padding alone;
            it is a ValueError.
        ShapeError: if a window does not fit its axis.
        DtypeError: if value is neither floating nor integer.
    Example:
        >>> x = jnp.arange(5).reshape(1, 5, 1)
        >>> pax.max_pool(x, 2, 2, "VALID").ravel()
        Array([1, 3], dtype=int32)
    """
    value, lowest = comparable("max_pool", value)
    windows = windows_over(
        "max_pool",
        value,
        window_shape,
        strides,
        padding,
        channel_axis,
        rate=rate,
        ceil_mode=ceil_mode,
    )
    return _max_pool(value, windows, lowest)


def min_pool(
    value: ArrayLike,
    window_shape: int | Sequence[int],
    strides: int | Sequence[int],
    padding: Padding,
    channel_axis: int | None = -1,
    *,
    rate: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Num[Array, "..."]:
    """Takes the minimum over sliding windows: `max_pool` with the order turned round.

    y[o] = min of value[o * strides + k * rate] over the offsets k of the window that lie inside
    the array. The gradient goes to the first of equal minima.

    Args:
        value: input, shape [B, ...], floating or integer.
        window_shape: size of the window, as for `max_pool`.
        strides: distance between two windows, likewise.
        padding: "SAME", "VALID" or pairs, likewise.
        channel_axis: the axis that an integer leaves out; None leaves out the batch axis alone.
        rate: distance between the entries of a window, likewise.
        ceil_mode: whether a last window may reach beyond the end, likewise.
    Returns:
        Rank and dtype of value.
    Raises:
        ArgumentError: if an argument is not one of these, or a window would hold padding alone.
        ShapeError: if a window does not fit its axis.
        DtypeError: if value is neither floating nor integer.
    Example:
        >>> x = jnp.arange(5).reshape(1, 5, 1)
        >>> pax.functional.min_pool(x, 2, 2, "VALID").ravel()
        Array([0, 2], dtype=int32)
    """
    value, lowest = comparable("min_pool", value)
    windows = windows_over(
        "min_pool",
        value,
        window_shape,
        strides,
        padding,
        channel_axis,
        rate=rate,
        ceil_mode=ceil_mode,
    )
    turned = _turned_round(value)
    return _turned_round(_max_pool(turned, windows, lowest))


def comparable(function: str, value: ArrayLike) -> tuple[Array, float]:
    """Returns the value as an array whose entries have an order, and the lowest of its dtype."""
    value = as_array(function, "value", value)
    if jnp.issubdtype(value.dtype, jnp.floating):
        return value, -np.inf
    if jnp.issubdtype(value.dtype, jnp.integer):
        return value, int(jnp.iinfo(value.dtype).min)
    raise DtypeError(
        f"{function} got value of dtype {value.dtype}; expected floating or integer.",
        "convert it first, e.g. value.astype(jnp.float32).",
    )


def _turned_round(value: Array) -> Array:
    """Returns numbers in the opposite order; ~x is it for integers, where -x may overflow."""
    return -value if jnp.issubdtype(value.dtype, jnp.floating) else ~value


@partial(jax.jit, static_argnums=(1, 2), inline=True)  # one dispatch where called eagerly
def _max_pool(value: Array, windows: Windows, lowest: float) -> Array:
    overlap = any(
        window > step for window, step in zip(windows.shape, windows.strides, strict=True)
    )
    way: Callable[..., Array] = _max_of_slices if overlap else _max_of_windows
    return way(value, windows, lowest)


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _max_of_windows(value: Array, windows: Windows, lowest: float) -> Array:
    """Takes XLA's way where no gradient is asked for: it needs no memory of its own.

    An evaluation of a small network with two layers of 2x2 pooling takes 1.5 ms on the CPU, with
    `_max_of_slices` 2.8 ms. Windows that overlap are 2 to 4 times as fast by slices.
    """
    return lax.reduce_window(
        value,
        np.asarray(lowest, value.dtype),
        lax.max,
        windows.shape,
        windows.strides,
        windows.pairs,
        window_dilation=windows.rate,
    )


@_max_of_windows.defjvp
def _max_of_windows_jvp(*arguments: Any) -> tuple[Array, Array]:
    *static, primals, tangents = arguments
    return jax.jvp(lambda value: _max_of_slices(value, *static), primals, tangents)


def _max_of_slices(value: Array, windows: Windows, lowest: float) -> Array:
    """Takes the maximum axis by axis, of slices.

    On CPU the gradient runs 2 to 35 times as fast as that of `lax.reduce_window`.
    """
    value = jnp.pad(value, windows.pairs, constant_values=lowest)
    for axis in reversed(range(value.ndim)):
        over = windows.shape[axis], windows.strides[axis], windows.rate[axis]
        (value,) = largest((value,), axis, *over)
    return value
