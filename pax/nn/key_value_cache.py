"""What an attention layer remembers of the tokens that it has read."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32


class KeyValueCache(NamedTuple):
    """Keys and values of the tokens that an attention layer has read, one row a sequence.

    The token at position p is in slot p % S. Where a layer has a window, old tokens make room
    for new ones; otherwise S is the most that a row holds. The first axis of every leaf is the
    batch: `jax.tree.map(lambda x: x[rows], cache)` takes rows, as a beam search does.

    Args:
        key: shape [B, G, S, K], after normalisation and rotary embedding; heads come before slots
            as products read them, so that a step copies neither keys nor values.
        value: shape [B, G, S, V].
        positions: the position of the token in each slot, shape [B, S]; -1 where there is none.
        length: the number of tokens that each row has read, shape [B].
    Example:
        >>> cache = pax.MultiHeadAttention(2, 4, 1.0).make_cache(3, max_length=10)
        >>> cache.key.shape, cache.positions.shape, cache.length
        ((3, 2, 10, 4), (3, 10), Array([0, 0, 0], dtype=int32))
    """

    key: Float[Array, "B G S K"]
    value: Float[Array, "B G S V"]
    positions: Int32[Array, "B S"]
    length: Int32[Array, "B"]


def empty(
    batch_size: int, length: int, num_heads: int, key_size: int, value_size: int, dtype: np.dtype
) -> KeyValueCache:
    """Returns a cache of no tokens."""
    return KeyValueCache(
        jnp.zeros((batch_size, num_heads, length, key_size), dtype),
        jnp.zeros((batch_size, num_heads, length, value_size), dtype),
        jnp.full((batch_size, length), -1, np.int32),
        jnp.zeros(batch_size, np.int32),
    )


def written(
    cache: KeyValueCache,
    key: Float[Array, "B T G K"],
    value: Float[Array, "B T G V"],
    positions: Int32[Array, "B T"],
    is_token: Bool[Array, "B T"],
    is_ring: bool,
) -> KeyValueCache:
    """Returns the cache after more tokens.

    Args:
        cache: the cache before.
        key: keys of the tokens.
        value: values of the tokens.
        positions: their positions.
        is_token: which of the T places hold tokens, the first ones of each row.
        is_ring: whether tokens take the slots of old ones; otherwise those beyond S are dropped.
    """
    batch_size, slots = cache.positions.shape
    steps = jnp.arange(positions.shape[1], dtype=np.int32)[None]
    count = is_token.sum(axis=1, dtype=np.int32)
    slot, is_kept = positions, is_token & (positions < slots)
    if is_ring:  # of more tokens than slots, the last ones stay
        slot, is_kept = positions % slots, is_token & (steps >= count[:, None] - slots)
    # beyond the last slot nothing is written; no index stands twice in a row
    slot = jnp.where(is_kept, slot, slots + steps)
    row = jnp.arange(batch_size, dtype=np.int32)[:, None]
    head = jnp.arange(key.shape[2], dtype=np.int32)[None, None]
    at = row[..., None], head, slot[..., None]  # [B, T, G] together
    options = {"mode": "drop", "unique_indices": True}
    return KeyValueCache(
        cache.key.at[at].set(key, **options),
        cache.value.at[at].set(value, **options),
        cache.positions.at[row, slot].set(positions, **options),
        cache.length + count,
    )
