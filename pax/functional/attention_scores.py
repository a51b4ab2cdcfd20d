"""The scores of attention from products of queries and keys, under all options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from pax.functional.arrays import accumulation_dtype
from pax.functional.attention_options import Extras, Rule


def logits_of(rule: Rule, extras: Extras, products: Array) -> Array:
    """Returns the scores, those included that a query may not see.

    Args:
        rule: the options that are numbers.
        extras: the options that are arrays, as `in_rank` gives them, or parts of them.
        products: query . key, shape [..., H, T, S].
    """
    logits: Any = products * np.asarray(rule.scale, products.dtype)
    if rule.soft_cap is not None:
        cap = np.asarray(rule.soft_cap, logits.dtype)
        logits = cap * jnp.tanh(logits / cap)
    if extras.bias is not None:
        logits = logits + extras.bias.astype(logits.dtype)
    if extras.alibi_slopes is not None:
        distance = jnp.abs(extras.query_positions - extras.key_positions).astype(logits.dtype)
        logits = logits - extras.alibi_slopes * distance
    return logits


def where_seen(rule: Rule, extras: Extras, logits: Array) -> Array:
    """Returns the scores, -inf where a query may not see a key."""
    for is_seen in _conditions(rule, extras):
        logits = jnp.where(is_seen, logits, -jnp.inf)
    return logits


def _conditions(rule: Rule, extras: Extras) -> Iterator[Array]:
    """Yields what must all be true for a query to see a key."""
    t, s = extras.query_positions, extras.key_positions
    if extras.mask is not None:
        yield extras.mask
    if extras.query_segment_ids is not None:
        yield extras.query_segment_ids == extras.key_segment_ids
    if s is not None and not rule.counts_places:
        yield s >= 0
    if rule.is_causal:
        yield s <= t
    if rule.window is not None:
        # from the causal side the distance is never below zero
        distance = t - s if rule.is_causal else jnp.abs(t - s)
        yield distance < rule.window


def query_key_products(query: Array, key: Array) -> Array:
    """Returns [..., H, T, S] of [..., H, T, K] and [..., G, S, K], in the dtype of sums."""
    products = _product("...tk,...sk->...ts", _by_key_head(query, key), key)
    return products.reshape(*query.shape[:-1], key.shape[-2])


def sums_of_values(weights: Array, value: Array) -> Array:
    """Returns [..., H, T, V] of [..., H, T, S] and [..., G, S, V], in the dtype of sums."""
    sums = _product("...ts,...sv->...tv", _by_key_head(weights, value), value)
    return sums.reshape(*weights.shape[:-1], value.shape[-1])


def _by_key_head(x: Array, key: Array) -> Array:
    """Returns [..., G, H/G T, K] of [..., H, T, K]: rows of all heads that share a key head."""
    *lead, heads, rows, width = x.shape
    groups = key.shape[-3]
    return x if heads == groups else x.reshape(*lead, groups, heads // groups * rows, width)


def _product(axes: str, x: Array, y: Array) -> Array:
    return jnp.einsum(axes, x, y, preferred_element_type=accumulation_dtype(x))
