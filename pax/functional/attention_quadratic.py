"""Attention through the array of all scores, queries times keys."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from pax.functional.arrays import accumulation_dtype


def attend_quadratic(
    query: Array, key: Array, value: Array, mask: Array | None, is_causal: bool
) -> Array:
    """Attends as `dot_product_attention` says; a mask has the rank of the scores."""
    dtype = accumulation_dtype(query)
    # heads come first once, here, and not in each of the six products of a training step
    query, key, value = (jnp.swapaxes(x, -2, -3) for x in (query, key, value))
    scores = jnp.einsum("...tk,...sk->...ts", query, key, preferred_element_type=dtype)
    scores = scores * np.asarray(query.shape[-1] ** -0.5, dtype)
    if mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf)
    if is_causal:
        t, s = (lax.broadcasted_iota(np.int32, scores.shape, scores.ndim - i) for i in (2, 1))
        scores = jnp.where(s <= t, scores, -jnp.inf)
    # the maximum only keeps exp in range: it cancels, so no gradient goes through it, and it
    # stays finite where all is masked
    lowest = jnp.finfo(dtype).min
    largest = jnp.max(lax.stop_gradient(scores), axis=-1, keepdims=True, initial=lowest)
    weights = jnp.exp(scores - largest)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    total = jnp.where(total == 0, jnp.ones((), dtype), total)
    # dividing the sum of values, not each weight, saves a pass over [T, S]
    mixed = jnp.einsum(
        "...ts,...sv->...tv", weights.astype(value.dtype), value, preferred_element_type=dtype
    )
    return jnp.swapaxes(mixed / total, -2, -3).astype(value.dtype)
