"""Normalisation by the root mean square."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from pax.functional.arrays import accumulation_dtype, as_floating
from pax.functional.scale_offset import affine, checked_affine, checked_axes


def rms_normalize(
    x: ArrayLike, axes: Sequence[int], eps: float, scale: ArrayLike | None = None
) -> Float[Array, "..."]:
    """Divides each example by its root mean square over some axes.

    y = x / sqrt(mean(x^2) + eps) * scale; no mean is subtracted. Computed in float32 at least.

    Args:
        x: input, any shape, floating.
        axes: the axes to average over.
        eps: keeps the square root away from zero.
        scale: broadcastable to x; None scales by 1.
    Returns:
        Shape and dtype of x.
    Raises:
        ArgumentError: if x has not these axes.
        ShapeError: if scale does not broadcast, or there is no entry to average over.
        DtypeError: if x is not floating.
    Example:
        >>> pax.functional.rms_normalize(jnp.array([[1.0, 7.0], [-5.0, 5.0]]), [-1], eps=0.0)
        Array([[ 0.2,  1.4],
               [-1. ,  1. ]], dtype=float32)
    Source: Zhang and Sennrich, "Root mean square layer normalization", 2019 (arXiv 1910.07467).
    """
    x = as_floating("rms_normalize", "x", x)
    scale, _ = checked_affine("rms_normalize", scale, None, x)
    return _rms_normalize(x, checked_axes("rms_normalize", axes, x), eps, scale)


@partial(jax.jit, static_argnums=(1, 2), inline=True)  # one dispatch where called eagerly
def _rms_normalize(x: Array, axes: tuple[int, ...], eps: float, scale: Array | None) -> Array:
    wide = x.astype(accumulation_dtype(x))
    square = jnp.mean(jnp.square(wide), axis=axes, keepdims=True)
    return affine(wide * lax.rsqrt(square + eps), scale, None).astype(x.dtype)
