"""How many tokens each row holds, in batches of texts of unequal lengths."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from pax._core import ArgumentError, DtypeError, Module, ShapeError, known


def check_rows(net: Module, tokens: Any, batch_size: int) -> None:
    """Raises unless tokens are a batch of so many rows."""
    if jnp.ndim(tokens) != 2 or jnp.shape(tokens)[0] != batch_size:
        raise ShapeError(
            f"{net!r} got tokens of shape {jnp.shape(tokens)}; expected ({batch_size}, time).",
            "give one row of tokens for each row of the batch, and of the cache.",
        )


def checked(net: Module, tokens: Any, lengths: Any) -> Array | None:
    """Returns lengths as an array [B], from 0 to T of tokens [B, T]; raises if they cannot be."""
    if lengths is None:
        return None
    batch, time = jnp.shape(tokens)
    counts = jnp.asarray(lengths)
    if not jnp.issubdtype(counts.dtype, jnp.integer):
        raise DtypeError(
            f"{net!r} got lengths of dtype {counts.dtype}; expected integers.",
            "count the tokens of each row: lengths = mask.sum(axis=1).",
        )
    if counts.shape != (batch,):
        raise ShapeError(
            f"{net!r} got lengths of shape {counts.shape} with tokens of shape {(batch, time)}; "
            f"expected ({batch},).",
            "give one number for each row of the batch.",
        )
    values = known(counts)
    if values is not None and ((values < 0) | (values > time)).any():
        raise ArgumentError(
            f"{net!r} got lengths={values.tolist()} with {time} places; expected integers from 0 "
            f"to {time}.",
            "count the tokens of each row, the first ones: mask.sum(axis=1).",
        )
    return counts.astype(np.int32)


def inside(shape: tuple[int, ...], counts: Array | None) -> Array:
    """Returns which places of tokens [B, T] hold tokens."""
    places = jnp.arange(shape[1], dtype=np.int32)[None]
    return jnp.broadcast_to(True if counts is None else places < counts[:, None], shape)


def or_nan(logits: Array, counts: Array | None) -> Array:
    """Returns logits [B, T, V], NaN in rows whose count cannot be right."""
    if counts is None:
        return logits
    is_right = (counts >= 0) & (counts <= logits.shape[1])
    return jnp.where(is_right[:, None, None], logits, jnp.nan)
