"""Blur pooling: a smooth filter before every other entry is dropped."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import partial, reduce

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax.functional.arrays import accumulation_dtype, as_floating
from pax.functional.pooling_windows import Windows, entries, windows_over


def blur_pool(
    value: ArrayLike,
    window_shape: int | Sequence[int],
    strides: int | Sequence[int],
    channel_axis: int | None = -1,
) -> Float[Array, "..."]:
    """Blurs by a binomial filter, then keeps one entry of each stride.

    y[o] = sum of f[k] value[o * strides + k - (w - 1) // 2] over the w offsets k, along each axis
    in turn, with f[k] the binomial coefficient of k among w - 1, over 2^(w - 1): (1, 2, 1) / 4 for
    w = 3. Beyond the border the array is mirrored about its first and last entry. ceil(size /
    stride) entries come out.

    Args:
        value: input, shape [B, ...], floating.
        window_shape: size w of the filter, as the window of `avg_pool`.
        strides: distance between two outputs, likewise.
        channel_axis: the axis that an integer leaves out; None leaves out the batch axis alone.
    Returns:
        Rank and dtype of value.
    Raises:
        ArgumentError: if an argument is not one of these.
        ShapeError: if a window does not fit its axis, as on an empty one.
        DtypeError: if value is not floating.
    Example:
        >>> x = jnp.array([0.0, 4.0, 8.0, 4.0]).reshape(1, 4, 1)
        >>> pax.functional.blur_pool(x, 3, 2).ravel()
        Array([2., 6.], dtype=float32)
    Source: Zhang, "Making convolutional networks shift-invariant again", 2019 (arXiv 1904.11486).
    """
    value = as_floating("blur_pool", "value", value)
    # The padding is not that of "SAME": the filter is centred on the entries that strides keep.
    windows = windows_over("blur_pool", value, window_shape, strides, "SAME", channel_axis)
    return _blur_pool(value, windows)


@partial(jax.jit, static_argnums=1, inline=True)  # one dispatch where called eagerly
def _blur_pool(value: Array, windows: Windows) -> Array:
    y = value.astype(accumulation_dtype(value))
    for axis, (window, step) in enumerate(zip(windows.shape, windows.strides, strict=True)):
        before = (window - 1) // 2
        pads = [(before, window - 1 - before) if a == axis else (0, 0) for a in range(y.ndim)]
        mirrored = jnp.pad(y, pads, mode="reflect") if window > 1 else y
        terms = (
            math.comb(window - 1, k) / 2 ** (window - 1) * entry
            for k, entry in enumerate(entries(mirrored, axis, window, step))
        )
        y = reduce(operator.add, terms)
    return y.astype(value.dtype)
