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

#: Where keys come from a cache (they have positions) and `T x H x G` is at most this, all key heads
#: are one, and queries hold zeros for those that are not theirs. These products cost less than
#: what goes without them: a copy of the cache with its heads first.
FLAT = 256


def attend_quadratic(query: Array, key: Array, value: Array, extras: Extras, rule: Rule) -> Array:
    """Attends as `dot_product_attention` says; `extras` are as `in_rank` gives them."""
    dtype = accumulation_dtype(query)
    queries, heads, groups = *query.shape[-3:-1], key.shape[-2]
    is_flat = not rule.counts_places and groups > 1 and queries * heads * groups <= FLAT
    if is_flat:
        query, key, value = _spread(query, groups), _flat(key), _flat(value)
    # heads come first once, here, and not in each of the six products of a training step
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
    y = jnp.swapaxes(mixed / total, -2, -3)
    return (_own_part(y, groups) if is_flat else y).astype(value.dtype)


def _flat(x: Array) -> Array:
    """Returns [..., S, 1, G K] of [..., S, G, K]: all key heads as one."""
    return x.reshape(*x.shape[:-2], 1, x.shape[-2] * x.shape[-1])


def _spread(query: Array, groups: int) -> Array:
    """Returns [..., T, H, G K] of [..., T, H, K]: zeros but for the key head of each head."""
    own = _own(query, groups)
    spread = jnp.where(own, query[..., None, :], jnp.zeros((), query.dtype))
    return spread.reshape(*query.shape[:-1], groups * query.shape[-1])


def _own_part(y: Array, groups: int) -> Array:
    """Returns [..., T, H, V] of [..., T, H, G V]: the part of the key head of each head."""
    parts = y.reshape(*y.shape[:-1], groups, y.shape[-1] // groups)
    return jnp.sum(parts, axis=-2, where=_own(y, groups))


def _own(x: Array, groups: int) -> np.ndarray:
    """Returns whether a head of [..., T, H, K] has a key head: [..., H, G, 1]."""
    heads = x.shape[-2]
    own = np.repeat(np.eye(groups, dtype=bool), heads // groups, axis=0)
    return own.reshape((1,) * (x.ndim - 2) + (heads, groups, 1))
