"""Attention through the array of all scores, queries times keys."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from pax.functional.arrays import accumulation_dtype
from pax.functional.attention_options import Extras, Rule
from pax.functional.attention_scores import (
    logits_of,
    query_key_products,
    sums_of_values,
    where_seen,
)
from pax.functional.attention_tiles import Tiling, dropped_of_all


def attend_quadratic(query: Array, key: Array, value: Array, extras: Extras, rule: Rule) -> Array:
    """Attends as `dot_product_attention` says; `extras` are as `in_rank` gives them."""
    dtype = accumulation_dtype(query)
    # heads come first once, here, and not in each of the six products of a training step;
    # of a cache that holds them first, this undoes what made them second, and nothing is copied
    query, key, value = (jnp.swapaxes(x, -2, -3) for x in (query, key, value))
    logits = logits_of(rule, extras, query_key_products(query, key))
    logits = where_seen(rule, extras, logits)
    # the maximum only keeps exp in range: it cancels, so no gradient goes through it, and it
    # stays finite where all is masked
    lowest = jnp.finfo(dtype).min
    largest = jnp.max(lax.stop_gradient(logits), axis=-1, keepdims=True, initial=lowest)
    if extras.sinks is not None:
        largest = jnp.maximum(largest, lax.stop_gradient(extras.sinks))
    weights = jnp.exp(logits - largest)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    if extras.sinks is not None:
        total = total + jnp.exp(extras.sinks - largest)
    total = jnp.where(total == 0, jnp.ones((), dtype), total)
    if rule.dropout_rate:
        *lead, queries, keys = weights.shape
        dropped = dropped_of_all(
            Tiling(queries, keys), rule.dropout_rate, extras.rng_key, tuple(lead)
        )
        weights = jnp.where(dropped, jnp.zeros((), dtype), weights)
        total = total * np.asarray(1 - rule.dropout_rate, dtype)
    # dividing the sum of values, not each weight, saves a pass over [T, S]
    mixed = sums_of_values(weights.astype(value.dtype), value)
    return jnp.swapaxes(mixed / total, -2, -3).astype(value.dtype)
