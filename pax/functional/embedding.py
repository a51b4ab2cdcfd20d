"""Embedding: rows of a table looked up by integer, one by one or a bag of them."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Num

from pax._core import ArgumentError, DtypeError, ShapeError, arguments
from pax.functional.arrays import accumulation_dtype, as_array


def embed(
    ids: ArrayLike, weight: ArrayLike, *, padding_index: int | None = None
) -> Num[Array, "*B embed_dim"]:
    """Looks up one row of a table for each integer.

    y[...] = W[ids[...]], with W the argument `weight`. An id outside 0 ... vocab_size - 1
    gives a row of NaN, so that it shows in the loss, and no gradient; it is never wrapped or
    clamped to the row of another id.

    Args:
        ids: integers, any shape [...].
        weight: the table, shape [vocab_size, embed_dim].
        padding_index: an id whose row gets no gradient.
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
    ids, weight = _ids_and_table("embed", ids, weight)
    rows = _rows(ids, weight)
    if padding_index is None:
        return rows
    return jnp.where((ids == padding_index)[..., None], jax.lax.stop_gradient(rows), rows)


def embedding_bag(
    ids: ArrayLike,
    weight: ArrayLike,
    *,
    mode: str = "mean",
    mask: ArrayLike | None = None,
    factors: ArrayLike | None = None,
    padding_index: int | None = None,
) -> Num[Array, "*B embed_dim"]:
    """Looks up the rows of a bag of integers, and reduces them to one.

    y = sum_n f_n W[ids_n], or the mean or the maximum of the rows, over what counts: all n but
    those that are masked out or equal padding_index. A bag in which nothing counts gives zeros. An
    id that counts and is not in the table gives NaN.

    Args:
        ids: integers, shape [..., N].
        weight: W, the table, shape [vocab_size, embed_dim].
        mode: "sum", "mean" or "max".
        mask: True for the ids that count, shape [..., N]; by default all.
        factors: f, numbers of shape [..., N]; only for "sum"; by default 1.
        padding_index: an id that does not count.
    Returns:
        Shape [..., embed_dim], dtype of weight.
    Raises:
        ArgumentError: if mode is another, or factors are given for another mode than "sum".
        DtypeError: if ids are not integers.
        ShapeError: if weight has not two axes, ids have none, or mask or factors have another
            shape than ids.
    Example:
        >>> table = jnp.array([[0.0, 1.0], [2.0, 3.0]])
        >>> print(pax.functional.embedding_bag(jnp.array([[1, 0], [1, 1]]), table))
        [[1. 2.]
         [2. 3.]]
    """
    arguments.one_of("embedding_bag", "mode", mode, ("mean", "sum", "max"))
    if factors is not None and mode != "sum":
        raise ArgumentError(
            f"embedding_bag got factors for mode={mode!r}; expected them for 'sum' alone.",
            "leave factors out, or write mode='sum'.",
        )
    ids, weight = _ids_and_table("embedding_bag", ids, weight)
    given = {"mask": mask, "factors": factors}
    others = {k: as_array("embedding_bag", k, v) for k, v in given.items() if v is not None}
    for name, array in {"ids": ids, **others}.items():
        if array.shape != ids.shape or ids.ndim == 0:
            raise ShapeError(
                f"embedding_bag got {name} of shape {array.shape} with ids of shape {ids.shape}; "
                "expected (..., ids of a bag) for both.",
                "put the ids of a bag along the last axis, padded to one length, and mask the "
                "padding.",
            )
    counts = jnp.ones(ids.shape, bool) if mask is None else others["mask"].astype(bool)
    if padding_index is not None:
        counts &= ids != padding_index
    return _bag(ids, weight, counts, others.get("factors"), mode)


def _ids_and_table(function: str, ids: ArrayLike, weight: ArrayLike) -> tuple[Array, Array]:
    """Returns both as JAX arrays, checked."""
    ids, weight = as_array(function, "ids", ids), as_array(function, "weight", weight)
    if not jnp.issubdtype(ids.dtype, jnp.integer):
        raise DtypeError(
            f"{function} got ids of dtype {ids.dtype}; expected integers.",
            "pass the integer ids themselves, e.g. ids.astype(jnp.int32), not one-hot rows.",
        )
    if weight.ndim != 2:
        raise ShapeError(
            f"{function} got weight of shape {weight.shape}; expected [vocab_size, embed_dim].",
            "store the table with one row for each id.",
        )
    return ids, weight


@partial(jax.jit, inline=True)  # one dispatch where called eagerly
def _rows(ids: Array, weight: Array) -> Array:
    return weight.at[ids].get(mode="fill", wrap_negative_indices=False)


@partial(jax.jit, static_argnums=4, inline=True)  # one dispatch where called eagerly
def _bag(ids: Array, weight: Array, counts: Array, factors: Array | None, mode: str) -> Array:
    rows, counts = _rows(ids, weight), counts[..., None]
    if mode == "max":
        top = jnp.max(rows, axis=-2, where=counts, initial=-jnp.inf)
        return jnp.where(counts.any(axis=-2), top, jnp.zeros((), rows.dtype))
    wide = accumulation_dtype(rows)
    rows = jnp.where(counts, rows.astype(wide), jnp.zeros((), wide))  # no NaN under the mask
    if factors is not None:
        rows = rows * factors.astype(wide)[..., None]
    total = jnp.sum(rows, axis=-2)
    if mode == "mean":
        total = total / jnp.maximum(counts.sum(axis=-2), 1).astype(wide)
    return total.astype(weight.dtype)
