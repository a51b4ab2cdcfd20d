"""The function of attention that flax has."""

from __future__ import annotations

from flax import nnx
from jax import Array


def attend(query: Array, key: Array, value: Array) -> Array:
    return nnx.dot_product_attention(query, key, value, is_causal=True)
