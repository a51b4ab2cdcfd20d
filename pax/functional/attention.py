"""Scaled dot-product attention."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from pax._core import ShapeError


def dot_product_attention(
    query: Float[Array, "*B T H K"],
    key: Float[Array, "*B S H K"],
    value: Float[Array, "*B S H V"],
    mask: Array | None = None,
) -> Float[Array, "*B T H V"]:
    """Attends from each query place to the key places.

    Args:
        query: shape [..., T, H, K].
        key: shape [..., S, H, K].
        value: shape [..., S, H, V].
        mask: true where a place may be seen; [T, S] or [..., 1 or H, T, S], or None.
    Returns:
        Shape [..., T, H, V]; zeros where a query may see nothing.
    Raises:
        ShapeError: if the mask does not fit.
    """
    scores = jnp.einsum("...thk,...shk->...hts", query, key).astype(jnp.float32)
    scores = scores / query.shape[-1] ** 0.5
    if mask is not None:
        mask = jnp.asarray(mask) != 0
        if mask.ndim == 3 and scores.ndim == 4:
            raise ShapeError(
                f"attention got a mask of shape {mask.shape}; expected [T, S] or [B, 1 or H, T, S].",
                "add the head axis: mask[:, None].",
            )
        mask = mask.reshape((1,) * (scores.ndim - mask.ndim) + mask.shape)
        scores = jnp.where(mask, scores, -jnp.inf)
    top = jnp.max(scores, axis=-1, keepdims=True)
    weights = jnp.exp(scores - jnp.where(jnp.isfinite(top), top, 0.0))
    total = jnp.sum(weights, axis=-1, keepdims=True)
    weights = (weights / jnp.where(total > 0, total, 1.0)).astype(value.dtype)
    return jnp.einsum("...hts,...shv->...thv", weights, value)
