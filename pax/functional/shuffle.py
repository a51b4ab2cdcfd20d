"""Sub-pixel shuffle: channels spread over space, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Shaped

from pax._core import ShapeError
from pax.functional.arrays import as_array
from pax.functional.space import channel_of_format, for_each_axis, space_of


def pixel_shuffle(
    x: ArrayLike, factor: int | Sequence[int], *, data_format: str = "N...C"
) -> Shaped[Array, "..."]:
    """Makes an image larger, by spreading its channels over space.

    y[h r + i, w r + j, c] = x[h, w, (c r + i) r + j] with the argument `factor` as r, and likewise
    over any number of spatial axes: the C r^n channels of x become C channels and r times the size.

    Args:
        x: shape [B, ..., C * r^n], or [B, C * r^n, ...] with channels first, of any dtype.
        factor: r, an integer or one for each of the n spatial axes.
        data_format: "N...C" or "NC...".
    Returns:
        Shape [B, ..., C] or [B, C, ...] with each spatial axis r times as long; dtype of x.
    Raises:
        ArgumentError: if an argument is not one of these.
        ShapeError: if x has no spatial axis, or a number of channels that r^n does not divide.
    Example:
        >>> x = jnp.arange(4).reshape(1, 1, 1, 4)
        >>> pax.functional.pixel_shuffle(x, 2)[0, :, :, 0]
        Array([[0, 1],
               [2, 3]], dtype=int32)
    Source: Shi et al., "Real-time single image and video super-resolution using an efficient
        sub-pixel convolutional neural network", 2016 (arXiv 1609.05158).
    """
    x = as_array("pixel_shuffle", "x", x)
    space = space_of("pixel_shuffle", x, data_format)
    factors = for_each_axis("pixel_shuffle", "factor", factor, len(space))
    channels, parts = x.shape[channel_of_format(data_format)], math.prod(factors)
    if channels % parts:
        raise ShapeError(
            f"pixel_shuffle got x of shape {x.shape} in {data_format}: {channels} channels, which "
            f"{parts} does not divide.",
            f"give it {parts} channels for each channel of the output.",
        )
    return _shuffle(x, factors, channel_of_format(data_format))


def pixel_unshuffle(
    x: ArrayLike, factor: int | Sequence[int], *, data_format: str = "N...C"
) -> Shaped[Array, "..."]:
    """Makes an image smaller, by gathering its pixels in channels: the inverse of `pixel_shuffle`.

    y[h, w, (c r + i) r + j] = x[h r + i, w r + j, c] with the argument `factor` as r, and likewise
    over any number of spatial axes.

    Args:
        x: shape [B, ..., C], or [B, C, ...] with channels first, of any dtype.
        factor: r, an integer or one for each of the n spatial axes.
        data_format: "N...C" or "NC...".
    Returns:
        Shape [B, ..., C * r^n] or [B, C * r^n, ...] with spatial axes divided by r; dtype of x.
    Raises:
        ArgumentError: if an argument is not one of these.
        ShapeError: if x has no spatial axis, or one that r does not divide.
    Example:
        >>> x = jnp.arange(4).reshape(1, 2, 2, 1)
        >>> pax.functional.pixel_unshuffle(x, 2)
        Array([[[[0, 1, 2, 3]]]], dtype=int32)
    """
    x = as_array("pixel_unshuffle", "x", x)
    space = space_of("pixel_unshuffle", x, data_format)
    factors = for_each_axis("pixel_unshuffle", "factor", factor, len(space))
    for axis, part in zip(space, factors, strict=True):
        if x.shape[axis] % part:
            raise ShapeError(
                f"pixel_unshuffle got x of shape {x.shape}: axis {axis} has {x.shape[axis]} "
                f"entries, which {part} does not divide.",
                "crop or pad this axis first, or choose another factor.",
            )
    return _unshuffle(x, factors, channel_of_format(data_format))


@partial(jax.jit, static_argnums=(1, 2), inline=True)  # one dispatch where called eagerly
def _shuffle(x: Array, factors: tuple[int, ...], channel: int) -> Array:
    x = jnp.moveaxis(x, channel, 1)  # [B, C r r, H, W]
    batch, channels, *sizes = x.shape
    n, parts = len(factors), math.prod(factors)
    x = x.reshape(batch, channels // parts, *factors, *sizes)
    # [B, C, r, r, H, W] -> [B, C, H, r, W, r]
    pairs = (axis for i in range(n) for axis in (2 + n + i, 2 + i))
    x = x.transpose(0, 1, *pairs)
    large = (size * part for size, part in zip(sizes, factors, strict=True))
    return jnp.moveaxis(x.reshape(batch, channels // parts, *large), 1, channel)


@partial(jax.jit, static_argnums=(1, 2), inline=True)
def _unshuffle(x: Array, factors: tuple[int, ...], channel: int) -> Array:
    x = jnp.moveaxis(x, channel, 1)
    batch, channels, *sizes = x.shape
    small = [size // part for size, part in zip(sizes, factors, strict=True)]
    split = (number for pair in zip(small, factors, strict=True) for number in pair)
    x = x.reshape(batch, channels, *split)
    # [B, C, H, r, W, r] -> [B, C, r, r, H, W]
    x = x.transpose(0, 1, *range(3, x.ndim, 2), *range(2, x.ndim, 2))
    return jnp.moveaxis(x.reshape(batch, channels * math.prod(factors), *small), 1, channel)
