"""Attention step by step: tokens that go into a cache, and a source that is only read."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from pax._core import ArgumentError, CallError, DtypeError, ShapeError, arguments, is_tracing
from pax.nn import attention_heads as heads
from pax.nn import given
from pax.nn import key_value_cache as caches
from pax.nn.key_value_cache import KeyValueCache


def made(layer: Any, batch_size: int, max_length: int, dtype: Any) -> KeyValueCache:
    """Returns an empty cache, as `MultiHeadAttention.make_cache` says."""
    name = "MultiHeadAttention.make_cache"
    arguments.integer(name, "batch_size", batch_size, at_least=0)
    arguments.sizes(name, max_length=max_length)
    dtype = given.weight_dtype(layer.key_projection) if dtype is None else jnp.dtype(dtype)
    slots = max_length if layer.window is None else min(max_length, layer.window)
    sizes = layer.num_kv_heads, layer.key_size, layer.value_size
    return caches.empty(batch_size, slots, *sizes, dtype)


def decoded(
    layer: Any, x: Any, cache: KeyValueCache, lengths: Any, position: Any
) -> tuple[Array, KeyValueCache]:
    """Reads the next tokens, as `MultiHeadAttention.decode` says."""
    if not layer.query_dim == layer.key_dim == layer.value_dim:
        raise ArgumentError(
            f"{layer!r} cannot decode: query, key and value have widths {layer.query_dim}, "
            f"{layer.key_dim} and {layer.value_dim}, and are one sequence here.",
            "for cross-attention call project_source once, and attend at each step.",
        )
    x = heads.sequence(layer, x, "query")
    _check_cache(layer, x, cache, "cache")
    steps, slots = x.shape[1], cache.positions.shape[1]
    window: int | None = layer.window
    is_ring = window is not None and slots >= window
    counts = _counts(layer, x, cache, lengths, None if is_ring else slots)
    part = heads.position_of(layer, position)

    step = jnp.arange(steps, dtype=np.int32)[None]  # [1, T]
    positions = cache.length[:, None] + step  # [B, T]
    is_token = step < counts[:, None]
    query = heads.queries(layer, x, part, positions)
    key, value = heads.keys_and_values(layer, x, x, part, positions)
    key, value = key.astype(cache.key.dtype), value.astype(cache.value.dtype)
    after = caches.written(cache, key, value, positions, is_token, is_ring)
    seen = after
    if window is not None and is_ring and steps > slots - window + 1:
        # the first tokens see some of those that the last ones are written over
        seen = _joined(cache, key, value, positions, is_token)
    y = heads.attended(
        layer,
        query,
        *_of_heads(seen, query.dtype),
        part,
        is_causal=True,
        query_positions=positions,
        key_positions=seen.positions,
    )
    is_wrong = ((counts < 0) | (counts > steps))[:, None]
    if not is_ring:
        is_wrong = is_wrong | (is_token & (positions >= slots))
    if lengths is None and is_ring:
        return y, after
    return jnp.where(is_wrong[..., None], jnp.nan, y), after


def _joined(
    cache: KeyValueCache, key: Array, value: Array, positions: Array, is_token: Array
) -> KeyValueCache:
    """Returns a cache with slots of their own for new tokens, after all of its own."""
    is_there = is_token[:, None, :, None]  # a NaN where there is no token must not be seen
    key, value = (jnp.where(is_there, x.swapaxes(1, 2), 0) for x in (key, value))
    return KeyValueCache(
        jnp.concatenate([cache.key, key], axis=2),
        jnp.concatenate([cache.value, value], axis=2),
        jnp.concatenate([cache.positions, jnp.where(is_token, positions, -1)], axis=1),
        cache.length,
    )


def projected(layer: Any, key: Any, value: Any, mask: Any) -> KeyValueCache:
    """Returns a source, as `MultiHeadAttention.project_source` says."""
    key = heads.sequence(layer, key, "key")
    value = heads.sequence(layer, key if value is None else value, "value")
    if key.ndim != 3 or key.shape[:-1] != value.shape[:-1]:
        raise ShapeError(
            f"{layer!r} got key {key.shape} and value {value.shape} of a source; expected "
            "(batch, time, width), and as many values as keys.",
            "add the batch axis with x[None], and pass the same sequence as key and value.",
        )
    positions = jnp.broadcast_to(jnp.arange(key.shape[1], dtype=np.int32)[None], key.shape[:2])
    if mask is not None:
        mask = given.array(layer, mask, "mask")
        if mask.shape != key.shape[:2]:
            raise ShapeError(
                f"{layer!r} got mask of shape {mask.shape} for a source of shape {key.shape}; "
                f"expected {key.shape[:2]}.",
                "say for each place of the source whether it may be seen; a mask that depends on "
                "the query is for a call of the layer.",
            )
        positions = jnp.where(mask.astype(bool), positions, -1)
    both = heads.keys_and_values(layer, key, value, layer.position, positions)
    key, value = (x.swapaxes(1, 2) for x in both)  # heads first, as in every cache
    return KeyValueCache(key, value, positions, (positions >= 0).sum(axis=1, dtype=np.int32))


def attended_source(layer: Any, query: Any, source: KeyValueCache, positions: Any) -> Array:
    """Attends to a source, as `MultiHeadAttention.attend` says."""
    query = heads.sequence(layer, query, "query")
    _check_cache(layer, query, source, "source")
    if positions is None and not (layer.position is None and layer.window is None):
        raise ArgumentError(
            f"{layer!r} attends to a source without positions of the query; expected them, since "
            "the layer has a window or position.",
            "pass positions=cache.length[:, None] + jnp.arange(T)[None], with a cache of the "
            "decoder's self-attention.",
        )
    places = given.places(layer, query.shape[:-1], positions, "positions")
    heads_of_query = heads.queries(layer, query, layer.position, places)
    return heads.attended(
        layer,
        heads_of_query,
        *_of_heads(source, heads_of_query.dtype),
        layer.position,
        query_positions=places,
        key_positions=source.positions,
    )


def _of_heads(cache: KeyValueCache, dtype: np.dtype) -> tuple[Array, Array]:
    """Returns keys and values with the heads after the places, as functions of heads take them."""
    return cache.key.swapaxes(1, 2).astype(dtype), cache.value.swapaxes(1, 2).astype(dtype)


def _check_cache(layer: Any, x: Array, cache: Any, what: str) -> None:
    """Raises unless a cache fits the layer and the batch."""
    maker = "make_cache" if what == "cache" else "project_source"
    if not isinstance(cache, KeyValueCache):
        raise CallError(
            f"{layer!r} got a {what} of type {type(cache).__name__}; expected KeyValueCache.",
            f"pass what layer.{maker} returned.",
        )
    if x.ndim != 3:
        raise ShapeError(
            f"{layer!r} got query of shape {x.shape} with a {what}; expected (batch, time, "
            f"{layer.query_dim}).",
            "add the batch axis with x[None].",
        )
    batch, slots = x.shape[0], cache.positions.shape[-1:]
    wanted = (
        (batch, layer.num_kv_heads, *slots, layer.key_size),
        (batch, layer.num_kv_heads, *slots, layer.value_size),
        (batch, *slots),
        (batch,),
    )
    for name, array, shape in zip(cache._fields, cache, wanted, strict=True):
        if array.shape != shape:
            raise ShapeError(
                f"{layer!r} got {what}.{name} of shape {array.shape} with a query of shape "
                f"{x.shape}; expected {shape}.",
                f"pass what {maker} of this layer returned for this batch.",
            )


def _counts(layer: Any, x: Array, cache: KeyValueCache, lengths: Any, slots: int | None) -> Array:
    """Returns how many tokens each row gets; raises where they are known not to fit.

    Args:
        layer: the layer.
        x: the tokens, [B, T, D].
        cache: the cache before.
        lengths: how many of the T are tokens, or None.
        slots: the most tokens of a row, or None for a ring.
    """
    batch, steps = x.shape[:2]
    if lengths is None:
        counts = jnp.full(batch, steps, np.int32)
    else:
        counts = given.array(layer, lengths, "lengths")
        if not jnp.issubdtype(counts.dtype, jnp.integer):
            raise DtypeError(
                f"{layer!r} got lengths of dtype {counts.dtype}; expected integers.",
                "convert them first: lengths.astype(jnp.int32).",
            )
        if counts.shape != (batch,):
            raise ShapeError(
                f"{layer!r} got lengths of shape {counts.shape}; expected {(batch,)}.",
                "give one length for each row of the batch.",
            )
        counts = counts.astype(np.int32)
    if is_tracing():
        if slots is not None and lengths is None and steps > slots:
            _refuse(layer, steps, 0, 0, slots)
        return counts
    known, before = np.asarray(counts), np.asarray(cache.length)
    if ((known < 0) | (known > steps)).any():
        raise ArgumentError(
            f"{layer!r} got lengths={known.tolist()} with {steps} places; expected integers from 0 "
            f"to {steps}.",
            "count the tokens of each row, the first ones: mask.sum(axis=1).",
        )
    if slots is not None and batch:
        row = int((before + known).argmax())
        if before[row] + known[row] > slots:
            _refuse(layer, int(known[row]), row, int(before[row]), slots)
    return counts


def _refuse(layer: Any, count: int, row: int, before: int, slots: int) -> None:
    raise ArgumentError(
        f"{layer!r} got {count} tokens for row {row} of a cache that holds {before} of at most "
        f"{slots}.",
        f"make a longer cache: make_cache(batch_size, max_length={before + count}).",
    )
