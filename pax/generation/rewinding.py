"""Caches taken back to where they were some tokens before."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def can_rewind(cache: Any, room: int) -> bool:
    """Returns whether a cache still holds every earlier state of itself.

    One of keys and values does, if it says which position each place holds, and no place is used
    twice. A recurrent state does not, nor does a ring that is shorter than the sequence.

    Args:
        cache: any tree.
        room: how many tokens the cache has to hold.
    """
    parts = jax.tree.leaves(cache, is_leaf=has_positions)
    return all(has_positions(x) and x.positions.shape[-1] >= room for x in parts)


def rewound(before: Any, cache: Any, count: Array) -> Any:
    """Returns a cache without its last tokens, `count` [B] of them.

    Args:
        before: the cache before its last tokens were read: what got none of them, such as a
            source that is only read, stays as it is.
        cache: the cache.
        count: shape [B].
    """

    def without(old: Any, part: Any) -> Any:
        back = count.reshape(-1, *[1] * (part.length.ndim - 1))
        has_read = part.length > old.length
        length = jnp.where(has_read, part.length - back.astype(part.length.dtype), part.length)
        is_kept = (part.positions < length[..., None]) | ~has_read[..., None]
        positions = jnp.where(is_kept, part.positions, -1)
        return part._replace(positions=positions, length=length)

    return jax.tree.map(without, before, cache, is_leaf=has_positions)


def has_positions(x: Any) -> bool:
    """Returns whether a part of a cache is like `pax.KeyValueCache`."""
    return {"positions", "length"} <= set(getattr(x, "_fields", ()))
