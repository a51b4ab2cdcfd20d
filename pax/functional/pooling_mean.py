"""Pooling by sums: the mean or the norm of windows that slide over the axes of an array."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import partial, reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, arguments
from pax.functional.arrays import accumulation_dtype, as_floating
from pax.functional.pooling_windows import Windows, counts, entries, windows_over
from pax.functional.windows import Padding


def avg_pool(
    value: ArrayLike,
    window_shape: int | Sequence[int],
    strides: int | Sequence[int],
    padding: Padding,
    channel_axis: int | None = -1,
    *,
    count_include_pad: bool = False,
    ceil_mode: bool = False,
) -> Float[Array, "..."]:
    """Takes the mean over sliding windows; padding is not counted.

    y[o] = mean of value[o * strides + k] over the offsets k of the window that lie inside
    the array. The sums are made in float32 at least.

    Args:
        value: input, shape [B, ...], floating.
        window_shape: size of the window. An integer holds for each spatial axis, that is each
            axis but the batch axis 0 and `channel_axis`; a sequence has one entry for each axis
            of value, or for each but the batch axis.
        strides: distance between two windows, an integer or a sequence likewise.
        padding: "SAME" (ceil(size / stride) outputs), "VALID" (whole windows only), or pairs
            (before, after), one for each axis of value, or for each but the batch axis.
        channel_axis: the axis that an integer leaves out; None leaves out the batch axis alone.
        count_include_pad: whether padding counts, as zeros.
        ceil_mode: whether a last window may reach beyond the padded end, if it begins before the
            padding there. What lies beyond is never counted. "SAME" leaves nothing to reach for.
    Returns:
        Rank and dtype of value.
    Raises:
        ArgumentError: if an argument is not one of these, or a window would hold padding alone;
            it is a ValueError.
        ShapeError: if a window does not fit its axis.
        DtypeError: if value is not floating.
    Example:
        >>> x = jnp.arange(5.0).reshape(1, 5, 1)
        >>> pax.avg_pool(x, 2, 2, "SAME").ravel()
        Array([0.5, 2.5, 4. ], dtype=float32)
        >>> pax.avg_pool(x, 2, 2, "SAME", count_include_pad=True).ravel()
        Array([0.5, 2.5, 2. ], dtype=float32)
    """
    value = as_floating("avg_pool", "value", value)
    windows = windows_over(
        "avg_pool", value, window_shape, strides, padding, channel_axis, ceil_mode=ceil_mode
    )
    return _avg_pool(value, windows, count_include_pad)


def lp_pool(
    value: ArrayLike,
    p: float,
    window_shape: int | Sequence[int],
    strides: int | Sequence[int],
    padding: Padding,
    channel_axis: int | None = -1,
    *,
    ceil_mode: bool = False,
) -> Float[Array, "..."]:
    """Takes the p-norm over sliding windows.

    y[o] = (sum of |value[o * strides + k]|^p)^(1/p) over the offsets k of the window. The gradient
    where all of a window is zero is zero. The sums are made in float32 at least;
    for p above 2 the size of the numbers does not matter.

    Args:
        value: input, shape [B, ...], floating.
        p: the order of the norm, at least 1; 1 sums absolute values.
        window_shape: size of the window, as for `avg_pool`.
        strides: distance between two windows, likewise.
        padding: "SAME", "VALID" or pairs, likewise; padding adds zeros.
        channel_axis: the axis that an integer leaves out; None leaves out the batch axis alone.
        ceil_mode: whether a last window may reach beyond the end, as for `avg_pool`.
    Returns:
        Rank and dtype of value.
    Raises:
        ArgumentError: if an argument is not one of these.
        ShapeError: if a window does not fit its axis.
        DtypeError: if value is not floating.
    Example:
        >>> x = jnp.array([3.0, -4.0, 0.0, 2.0]).reshape(1, 4, 1)
        >>> pax.functional.lp_pool(x, 2, 2, 2, "VALID").ravel()
        Array([5., 2.], dtype=float32)
    """
    p = check_order("lp_pool", p)
    value = as_floating("lp_pool", "value", value)
    windows = windows_over(
        "lp_pool", value, window_shape, strides, padding, channel_axis, ceil_mode=ceil_mode
    )
    return _lp_pool(value, p, windows)


def check_order(function: str, p: float) -> float:
    """Returns the order of a norm, as an integer where it is one; raises if it is below 1."""
    if not arguments.is_number(p) or p < 1:
        raise ArgumentError(
            f"{function} got p={p!r}; expected a finite number of at least 1.",
            "write p=2 for the Euclidean norm; for p=inf use max_pool of jnp.abs(value).",
        )
    return int(p) if p == int(p) else float(p)


@partial(jax.jit, static_argnums=(1, 2), inline=True)  # one dispatch where called eagerly
def _avg_pool(value: Array, windows: Windows, count_include_pad: bool) -> Array:
    sums = _sums(value.astype(accumulation_dtype(value)), windows)
    found = counts(value.shape, windows, padding=count_include_pad)
    for axis, inside in enumerate(found):
        if (inside == inside[:1]).all():
            found[axis] = inside[:1]  # every window is whole: one number for all
    total = reduce(np.multiply, np.ix_(*found)).astype(sums.dtype)
    return (sums / total).astype(value.dtype)


@partial(jax.jit, static_argnums=(1, 2), inline=True)
def _lp_pool(value: Array, p: float, windows: Windows) -> Array:
    if p > 2:
        return _norms(value.astype(accumulation_dtype(value)), p, windows).astype(value.dtype)
    powers = jnp.abs(value.astype(accumulation_dtype(value))) ** p
    sums = _sums(powers, windows)
    # the root has an infinite slope at zero
    roots = jnp.where(sums == 0, 1, sums) ** (1 / p)
    return jnp.where(sums == 0, 0, roots).astype(value.dtype)


def _norms(value: Array, p: float, windows: Windows) -> Array:
    """Returns the norm of each window, axis by axis: the norm of norms is that of all.

    A high power of what is not near 1 overflows or vanishes; so each window is divided by its
    largest entry first. The result does not depend on that number, so no gradient goes through it.
    """
    value = jnp.pad(jnp.abs(value), windows.pairs)
    for axis, (window, step) in enumerate(zip(windows.shape, windows.strides, strict=True)):
        if window == 1:
            (value,) = entries(value, axis, window, step)
            continue
        if window == step:
            count = value.shape[axis] // window
            value = lax.slice_in_dim(value, 0, count * window, axis=axis)
            parts = value.reshape(*value.shape[:axis], count, window, *value.shape[axis + 1 :])
        else:
            parts = jnp.stack(list(entries(value, axis, window, step)), axis + 1)
        largest = lax.stop_gradient(parts.max(axis + 1, keepdims=True))
        scale = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1)
        sums = jnp.sum((parts / scale) ** p, axis + 1, keepdims=True)
        # the root has an infinite slope at zero
        roots = jnp.where(sums == 0, 0, scale * jnp.where(sums == 0, 1, sums) ** (1 / p))
        value = roots.squeeze(axis + 1)
    return value


def _sums(value: Array, windows: Windows) -> Array:
    """Returns the sum of each window, axis by axis.

    On the CPU the gradient of slices runs 5 to 15 times as fast as that of `lax.reduce_window`
    where windows overlap; where they tile the axis a reshape is faster still.
    """
    value = jnp.pad(value, windows.pairs)
    shape: list[int] = []
    for axis, (window, step) in enumerate(zip(windows.shape, windows.strides, strict=True)):
        if window == step:
            count = value.shape[axis] // window
            value = lax.slice_in_dim(value, 0, count * window, axis=axis)
            shape += [count, window]
        else:
            value = reduce(operator.add, entries(value, axis, window, step))
            shape += [value.shape[axis], 1]
    return value.reshape(shape).sum(tuple(range(1, len(shape), 2)))
