"""Windows of an image side by side, and images put together from them."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float, Num

from pax._core import ArgumentError, ShapeError
from pax.functional.arrays import accumulation_dtype, as_array, as_floating
from pax.functional.pooling_windows import entries
from pax.functional.space import for_each_axis, space_of
from pax.functional.windows import Padding, Pairs, check_fit, check_padding, pad_pairs


class _Windows(NamedTuple):
    """Windows over the spatial axes of an image: one entry for each of them."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    rate: tuple[int, ...]
    pairs: Pairs
    counts: tuple[int, ...]


def unfold(
    x: ArrayLike,
    window_shape: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    *,
    rate: int | Sequence[int] = 1,
    data_format: str = "N...C",
) -> Num[Array, "B _ _"]:
    """Lays the windows of an image side by side, each as one vector.

    y[b, l, c K + k] = x[b, o(l) * strides + w(k) * rate, c], with o(l) the l-th place of a window
    and w(k) the k-th of its K entries, both counted row by row.

    Args:
        x: shape [B, ..., C], or [B, C, ...] with channels first, of any numbers.
        window_shape: size of the window, an integer or one for each spatial axis.
        strides: distance between two windows, likewise.
        padding: "VALID" (whole windows only), "SAME" (ceil(size / stride) windows), or one pair
            (before, after) for each spatial axis; padding is zero.
        rate: distance between the entries of a window, likewise.
        data_format: "N...C" or "NC...".
    Returns:
        Shape [B, L, C * K] for L windows, or [B, C * K, L] with channels first; dtype of x.
    Raises:
        ArgumentError: if an argument is not one of these.
        ShapeError: if x has no spatial axis, or a window does not fit.
    Example:
        >>> x = jnp.arange(4).reshape(1, 4, 1)
        >>> pax.functional.unfold(x, 2)
        Array([[[0, 1],
                [1, 2],
                [2, 3]]], dtype=int32)
    """
    x = as_array("unfold", "x", x)
    space = space_of("unfold", x, data_format)
    sizes = tuple(x.shape[axis] for axis in space)
    windows = _windows("unfold", x, sizes, window_shape, strides, padding, rate)
    return _unfold(x, windows, data_format)


def fold(
    x: ArrayLike,
    spatial_shape: Sequence[int],
    window_shape: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    *,
    rate: int | Sequence[int] = 1,
    data_format: str = "N...C",
) -> Float[Array, "..."]:
    """Puts windows back where `unfold` took them, and adds where they overlap: its transpose.

    The sum of fold(x) * image is that of x * unfold(image), for any image. The sums are made in
    float32 at least.

    Args:
        x: windows, shape [B, L, C * K], or [B, C * K, L] with channels first, floating.
        spatial_shape: the spatial axes of the image.
        window_shape: size of the window, as for `unfold`.
        strides: distance between two windows, likewise.
        padding: "VALID", "SAME" or pairs, likewise; what falls there is dropped.
        rate: distance between the entries of a window, likewise.
        data_format: "N...C" or "NC...".
    Returns:
        Shape [B, ..., C], or [B, C, ...] with channels first; dtype of x.
    Raises:
        ArgumentError: if an argument is not one of these.
        ShapeError: if x holds other windows than those of such an image.
        DtypeError: if x is not floating.
    Example:
        >>> x = jnp.array([[[1.0, 2.0], [3.0, 4.0]]])
        >>> pax.functional.fold(x, (3,), 2).ravel()
        Array([1., 5., 4.], dtype=float32)
    """
    x = as_floating("fold", "x", x)
    if not isinstance(spatial_shape, Sequence) or not spatial_shape:
        raise ArgumentError(
            f"fold got spatial_shape={spatial_shape!r}; expected a size for each spatial axis.",
            "write spatial_shape=(8, 8) for an image of 8 x 8.",
        )
    sizes = for_each_axis("fold", "spatial_shape", spatial_shape, len(spatial_shape))
    windows = _windows("fold", x, sizes, window_shape, strides, padding, rate)
    features, places = (2, 1) if data_format == "N...C" else (1, 2)
    count, each = math.prod(windows.counts), math.prod(windows.shape)
    if x.ndim != 3 or x.shape[places] != count or x.shape[features] % each:
        wanted = f"[B, {count}, C * {each}]" if places == 1 else f"[B, C * {each}, {count}]"
        raise ShapeError(
            f"fold got x of shape {x.shape}; expected {wanted}: {count} windows of {each} entries "
            f"for an image of {'x'.join(map(str, sizes))}.",
            "give it the spatial_shape, window_shape, strides, padding and rate of the unfold.",
        )
    return _fold(x, windows, sizes, data_format)


def _windows(
    function: str,
    x: Array,
    sizes: tuple[int, ...],
    window_shape: int | Sequence[int],
    strides: int | Sequence[int],
    padding: Padding,
    rate: int | Sequence[int],
) -> _Windows:
    """Returns the windows that these arguments mean for spatial axes of these sizes."""
    n = len(sizes)
    shape = for_each_axis(function, "window_shape", window_shape, n)
    steps = for_each_axis(function, "strides", strides, n)
    rates = for_each_axis(function, "rate", rate, n)
    spans = tuple((size - 1) * r + 1 for size, r in zip(shape, rates, strict=True))
    pairs = pad_pairs(check_padding(function, padding, n), sizes, spans, steps)
    check_fit(function, x.shape, sizes, spans, pairs)
    counts = tuple(
        (size + sum(pair) - span) // step + 1
        for size, pair, span, step in zip(sizes, pairs, spans, steps, strict=True)
    )
    return _Windows(shape, steps, rates, pairs, counts)


@partial(jax.jit, static_argnums=(1, 2), inline=True)  # one dispatch where called eagerly
def _unfold(x: Array, windows: _Windows, data_format: str) -> Array:
    last, n = data_format == "N...C", len(windows.shape)
    x = jnp.moveaxis(x, -1, 1) if last else x  # [B, C, H, W]
    x = jnp.pad(x, ((0, 0), (0, 0), *windows.pairs))
    for i in reversed(range(n)):
        x = _along(x, 2 + i, windows.shape[i], windows.strides[i], windows.rate[i])
    # [B, C, entries of H, places of H, entries of W, places of W]
    inside, places = range(2, 2 + 2 * n, 2), range(3, 3 + 2 * n, 2)
    order = (0, *places, 1, *inside) if last else (0, 1, *inside, *places)
    batch, channels = x.shape[:2]
    count, features = math.prod(windows.counts), channels * math.prod(windows.shape)
    shape = (batch, count, features) if last else (batch, features, count)
    return x.transpose(order).reshape(shape)


@partial(jax.jit, static_argnums=(1, 2, 3), inline=True)
def _fold(x: Array, windows: _Windows, sizes: tuple[int, ...], data_format: str) -> Array:
    """Goes back through the steps of `_unfold`, from the last to the first."""
    last, n = data_format == "N...C", len(sizes)
    y = x.astype(accumulation_dtype(x))
    channels = x.shape[2 if last else 1] // math.prod(windows.shape)
    parts = (channels, *windows.shape)
    y = y.reshape(x.shape[0], *((*windows.counts, *parts) if last else (*parts, *windows.counts)))
    channel, inside, places = (n + 1, n + 2, 1) if last else (1, 2, n + 2)
    y = y.transpose(0, channel, *(at + i for i in range(n) for at in (inside, places)))
    for i, (size, (before, after)) in enumerate(zip(sizes, windows.pairs, strict=True)):
        over = windows.shape[i], windows.strides[i], windows.rate[i]
        y = _back_along(y, 2 + i, size + before + after, *over)
        y = lax.slice_in_dim(y, before, before + size, axis=2 + i)
    y = y.astype(x.dtype)
    return jnp.moveaxis(y, 1, -1) if last else y


def _along(x: Array, axis: int, window: int, step: int, rate: int) -> Array:
    """Returns the windows along an axis: in its place, their entries and then their places.

    On the CPU this takes a half to a sixth of the time of the convolution with ones and zeros that
    `lax.conv_general_dilated_patches` is, its gradient a twentieth and less.
    """
    if window == step and rate == 1:
        count = x.shape[axis] // window
        x = lax.slice_in_dim(x, 0, count * window, axis=axis)
        x = x.reshape(*x.shape[:axis], count, window, *x.shape[axis + 1 :])
        return x.swapaxes(axis, axis + 1)
    return jnp.stack(list(entries(x, axis, window, step, rate)), axis)


def _back_along(y: Array, axis: int, size: int, window: int, step: int, rate: int) -> Array:
    """Returns an axis of this size, made of the windows along it: the transpose of `_along`."""
    count = y.shape[axis + 1]

    def placed(part: Array, start: int, between: int, length: int) -> Array:
        pads = [(0, 0, 0)] * part.ndim
        pads[axis] = (start, size - start - length, between)
        return lax.pad(part, np.zeros((), part.dtype), pads)

    if window == step and rate == 1:
        y = y.swapaxes(axis, axis + 1)
        y = y.reshape(*y.shape[:axis], count * window, *y.shape[axis + 2 :])
        return placed(y, 0, 0, count * window)
    length = (count - 1) * step + 1
    parts = (lax.index_in_dim(y, k, axis, keepdims=False) for k in range(window))
    return reduce(
        operator.add, (placed(part, k * rate, step - 1, length) for k, part in enumerate(parts))
    )
