"""Mean, variance, and what is normalised by them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def moments(
    x: Float[Array, "*S"], axes: tuple[int, ...]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Returns mean and mean squared deviation over some axes, in float32 or better.

    Args:
        x: any shape, floating.
        axes: the axes; they are kept with size 1.
    Returns:
        Mean and variance.
    """
    x = _precise(x)
    mean = jnp.mean(x, axes, keepdims=True)
    return mean, jnp.mean(jnp.square(x - mean), axes, keepdims=True)


def normalize(
    x: Float[Array, "*S"],
    mean: Float[Array, "..."],
    variance: Float[Array, "..."],
    eps: float,
    scale: Float[Array, "..."] | None = None,
    offset: Float[Array, "..."] | None = None,
) -> Float[Array, "*S"]:
    """Returns (x - mean) / sqrt(variance + eps) * scale + offset.

    Args:
        x: any shape, floating.
        mean: broadcastable to x, of the same rank.
        variance: likewise.
        eps: added to the variance.
        scale: likewise, or None.
        offset: likewise, or None.
    Returns:
        Shape and dtype of x.
    """
    y = (_precise(x) - mean) * jax.lax.rsqrt(variance + eps)
    if scale is not None:
        y = y * scale.astype(y.dtype)
    if offset is not None:
        y = y + offset.astype(y.dtype)
    return y.astype(x.dtype)


def group_normalize(
    x: Float[Array, "*S"],
    groups: int,
    channel_axis: int,
    axes: tuple[int, ...],
    eps: float,
    scale: Float[Array, "..."] | None = None,
    offset: Float[Array, "..."] | None = None,
) -> Float[Array, "*S"]:
    """Normalises x over some axes and within groups of channels.

    Args:
        x: any shape, floating.
        groups: number of groups; it divides the channels.
        channel_axis: the axis of the channels, not negative.
        axes: the axes to normalise over, not negative.
        eps: added to the variance.
        scale: broadcastable to x, of the same rank, or None.
        offset: likewise.
    Returns:
        Shape and dtype of x.
    """
    split = (*x.shape[:channel_axis], groups, -1, *x.shape[channel_axis + 1 :])
    over = {a if a < channel_axis else a + 1 for a in axes} | {channel_axis + 1}
    grouped = _precise(x).reshape(split)
    mean, variance = moments(grouped, tuple(sorted(over - {channel_axis})))
    y = normalize(grouped, mean, variance, eps).reshape(x.shape)
    if scale is not None:
        y = y * scale.astype(y.dtype)
    if offset is not None:
        y = y + offset.astype(y.dtype)
    return y.astype(x.dtype)


def _precise(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
