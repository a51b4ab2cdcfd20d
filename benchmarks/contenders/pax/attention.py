"""Attention in the implementation that pax chooses."""

from __future__ import annotations

from jax import Array

import pax


def attend(query: Array, key: Array, value: Array) -> Array:
    return pax.functional.dot_product_attention(query, key, value, is_causal=True)
