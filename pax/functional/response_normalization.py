"""Normalisation of each entry by the responses of its neighbours: local, and global."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError
from pax.functional.arrays import accumulation_dtype, as_floating
from pax.functional.scale_offset import affine, checked_affine, checked_axes


def local_response_normalize(
    x: ArrayLike,
    size: int,
    channel_axis: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
) -> Float[Array, "..."]:
    """Divides each entry by a power of the mean square of the channels around it.

    y = x / (k + alpha * square)^beta, where square is the sum of x^2 over `size` channels, divided
    by size: size // 2 of them before the entry's own, the rest from it on; beyond the first and
    last channel are zeros.

    Args:
        x: input, any shape, floating.
        size: number of channels in a window.
        channel_axis: the axis of the channels.
        alpha: weight of the mean square.
        beta: the power.
        k: what is added to the weighted mean square; positive.
    Returns:
        Shape and dtype of x.
    Raises:
        ArgumentError: if x has not this axis, or size is not positive.
        DtypeError: if x is not floating.
    Example:
        >>> x = jnp.array([[3.0, 4.0, 0.0]])
        >>> pax.functional.local_response_normalize(x, 2, -1, alpha=2.0, beta=0.5, k=0.0)
        Array([[1. , 0.8, 0. ]], dtype=float32)
    Source: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks",
        2012, where the sum is not divided by size.
    """
    x = as_floating("local_response_normalize", "x", x)
    axis = _channel("local_response_normalize", x, channel_axis)
    if size < 1:
        raise ArgumentError(
            f"local_response_normalize got size={size}; expected at least 1.",
            "choose how many channels there are in a window, such as 5.",
        )
    return _local_response_normalize(x, size, axis, alpha, beta, k)


def global_response_normalize(
    x: ArrayLike,
    axes: Sequence[int],
    channel_axis: int,
    eps: float,
    scale: ArrayLike | None = None,
    offset: ArrayLike | None = None,
) -> Float[Array, "..."]:
    """Weighs each channel by its share of the responses, and adds the input.

    y = scale * (x * share) + offset + x, with share = norm / (mean of norm over the channels + eps)
    and norm the root of the sum of x^2 over `axes`, for each channel. Where a norm is zero its
    gradient is taken as zero.

    Args:
        x: input, any shape, floating.
        axes: the axes of space.
        channel_axis: the axis of the channels; not among axes.
        eps: keeps the divisor away from zero.
        scale: broadcastable to x; None scales by 1.
        offset: broadcastable to x; None adds nothing.
    Returns:
        Shape and dtype of x.
    Raises:
        ArgumentError: if x has not these axes, or channel_axis is among axes.
        ShapeError: if scale or offset does not broadcast, or there is no entry to sum over.
        DtypeError: if x is not floating.
    Example:
        >>> x = jnp.array([[[3.0, 0.0], [4.0, 5.0]]])  # both norms are 5
        >>> print(pax.functional.global_response_normalize(x, [1], -1, eps=0.0))
        [[[ 6.  0.]
          [ 8. 10.]]]
    Source: Woo et al., "ConvNeXt V2: co-designing and scaling ConvNets with masked autoencoders",
        2023 (arXiv 2301.00808).
    """
    function = "global_response_normalize"
    x = as_floating(function, "x", x)
    scale, offset = checked_affine(function, scale, offset, x)
    axes = checked_axes(function, axes, x)
    channel = _channel(function, x, channel_axis)
    if channel in axes:
        raise ArgumentError(
            f"{function} got channel_axis={channel_axis} among the axes {axes}.",
            "name the axes of space alone in axes.",
        )
    return _global_response_normalize(x, axes, channel, eps, scale, offset)


def _channel(function: str, x: Array, channel_axis: int) -> int:
    """Returns the axis of the channels, counted from 0."""
    if not -x.ndim <= channel_axis < x.ndim:
        raise ArgumentError(
            f"{function} got channel_axis={channel_axis} for x of rank {x.ndim}.",
            "name one of the axes of x.",
        )
    return channel_axis % x.ndim


@partial(jax.jit, static_argnums=(1, 2, 3, 4, 5), inline=True)  # one dispatch where called eagerly
def _local_response_normalize(
    x: Array, size: int, axis: int, alpha: float, beta: float, k: float
) -> Array:
    """Sums by `reduce_window`: shifted slices took four times as long backward."""
    wide = x.astype(accumulation_dtype(x))
    window, padding = [1] * x.ndim, [(0, 0)] * x.ndim
    window[axis], padding[axis] = size, (size // 2, (size - 1) // 2)
    zero = np.zeros((), wide.dtype)
    sums = lax.reduce_window(jnp.square(wide), zero, lax.add, window, [1] * x.ndim, padding)
    return (wide * jnp.power(k + (alpha / size) * sums, -beta)).astype(x.dtype)


@partial(jax.jit, static_argnums=(1, 2, 3), inline=True)
def _global_response_normalize(
    x: Array,
    axes: tuple[int, ...],
    channel: int,
    eps: float,
    scale: Array | None,
    offset: Array | None,
) -> Array:
    wide = x.astype(accumulation_dtype(x))
    norm = _root(jnp.sum(jnp.square(wide), axis=axes, keepdims=True))
    share = norm / (jnp.mean(norm, axis=channel, keepdims=True) + eps)
    # the input is added to the small factor, so that the large array meets one product and one sum
    return affine(wide * (affine(share, scale, None) + 1), None, offset).astype(x.dtype)


def _root(x: Array) -> Array:
    """Returns the square root of what is not negative, with a gradient of zero at zero."""
    is_zero = x == 0
    return jnp.where(is_zero, 0, jnp.sqrt(jnp.where(is_zero, 1, x)))
