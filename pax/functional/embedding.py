"""Embedding: rows of a table looked up by integer."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Num

from pax._core import DtypeError, ShapeError
from pax.functional.arrays import as_array


def embed(ids: ArrayLike, weight: ArrayLike) -> Num[Array, "*B embed_dim"]:
    """Looks up one row of a table for each integer.

    y[...] = W[ids[...]], with W the argument `weight`. An id outside 0 ... vocab_size - 1
    gives a row of NaN, so that it shows in the loss, and no gradient; it is never wrapped or
    clamped to the row of another id.

    Args:
        ids: integers, any shape [...].
        weight: the table, shape [vocab_size, embed_dim].
    Returns:
        Shape [..., embed_dim], dtype of weight.
    Raises:
        DtypeError: if ids are not integers.
        ShapeError: if weight has not two axes.
    Example:
        >>> table = jnp.array([[0.0, 1.0], [2.0, 3.0]])
        >>> pax.functional.embed(jnp.array([1, 0]), table)
        Array([[2., 3.],
               [0., 1.]], dtype=float32)
    """
    ids, weight = as_array("embed", "ids", ids), as_array("embed", "weight", weight)
    if not jnp.issubdtype(ids.dtype, jnp.integer):
        raise DtypeError(
            f"embed got ids of dtype {ids.dtype}; expected integers.",
            "pass the integer ids themselves, e.g. ids.astype(jnp.int32), not one-hot rows.",
        )
    if weight.ndim != 2:
        raise ShapeError(
            f"embed got weight of shape {weight.shape}; expected [vocab_size, embed_dim].",
            "store the table with one row for each id.",
        )
    return _rows(ids, weight)


@partial(jax.jit, inline=True)  # one dispatch where called eagerly
def _rows(ids: Array, weight: Array) -> Array:
    return weight.at[ids].get(mode="fill", wrap_negative_indices=False)
