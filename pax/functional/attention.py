"""Attention: averages of values, weighted by how well keys match a query."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ShapeError
from pax.functional.arrays import accumulation_dtype, as_array, as_floating, promote


def dot_product_attention(
    query: ArrayLike, key: ArrayLike, value: ArrayLike, mask: ArrayLike | None = None
) -> Float[Array, "*B T H V"]:
    """Averages values by the softmax of query-key products, for each head apart.

    y[t] = sum_s w[t, s] value[s], with w[t, :] the softmax over s of
    query[t] . key[s] / sqrt(K), among the s that mask[t, s] allows. The softmax is computed in
    float32 at least. A query that may attend to nothing gives zeros.

    Args:
        query: shape [..., T, H, K], floating.
        key: shape [..., S, H, K].
        value: shape [..., S, H, V].
        mask: nonzero or True where a query may attend to a key; shape [T, S], or with all
            leading axes and the head axis of the query, [..., 1 or H, T, S]; any axis may be 1.
            None allows all.
    Returns:
        Shape [..., T, H, V], in the dtype `jnp` promotes the three to.
    Raises:
        ShapeError: if the shapes do not fit together; for a mask [B, T, S] without head axis.
        DtypeError: if query, key or value is not floating.
    Example:
        >>> query, key, value = jnp.ones((3, 1, 5, 2, 4))
        >>> pax.functional.dot_product_attention(query, key, value).shape
        (1, 5, 2, 4)
    Source: Vaswani et al., "Attention is all you need", 2017 (arXiv 1706.03762).
    """
    query = as_floating("dot_product_attention", "query", query)
    key = as_floating("dot_product_attention", "key", key)
    value = as_floating("dot_product_attention", "value", value)
    _check_shapes(query, key, value)
    query, key, value = promote(query, key, value)
    *lead, queries, heads, _ = query.shape
    if mask is not None:
        mask = _align_mask(mask, (*lead, heads, queries, key.shape[-3]))
    return _attend(query, key, value, mask)


@partial(jax.jit, inline=True)  # one dispatch where called eagerly
def _attend(query: Array, key: Array, value: Array, mask: Array | None) -> Array:
    dtype = accumulation_dtype(query)
    scores = jnp.einsum("...thk,...shk->...hts", query, key, preferred_element_type=dtype)
    scores = scores * np.asarray(query.shape[-1] ** -0.5, dtype)
    if mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf)
    # the maximum only keeps exp in range: it cancels, so no gradient goes through it, and it
    # stays finite where all is masked
    lowest = jnp.finfo(dtype).min
    largest = jnp.max(lax.stop_gradient(scores), axis=-1, keepdims=True, initial=lowest)
    weights = jnp.exp(scores - largest)
    total = jnp.sum(weights, axis=-1)
    total = jnp.where(total == 0, jnp.ones((), dtype), total)
    # dividing the sum of values, not each weight, saves a pass over [T, S]
    mixed = jnp.einsum(
        "...hts,...shv->...thv", weights.astype(value.dtype), value, preferred_element_type=dtype
    )
    return (mixed / jnp.swapaxes(total, -1, -2)[..., None]).astype(value.dtype)


def _check_shapes(query: Array, key: Array, value: Array) -> None:
    """Raises unless the arrays are [..., T, H, K], [..., S, H, K] and [..., S, H, V]."""
    fits = (
        query.ndim == key.ndim == value.ndim >= 3
        and query.shape[:-3] == key.shape[:-3] == value.shape[:-3]
        and query.shape[-2:] == key.shape[-2:]
        and key.shape[-3:-1] == value.shape[-3:-1]
    )
    if not fits:
        raise ShapeError(
            f"dot_product_attention got query {query.shape}, key {key.shape}, value "
            f"{value.shape}; expected (..., T, H, K), (..., S, H, K), (..., S, H, V).",
            "split the last axis into heads, x.reshape(*x.shape[:-1], num_heads, key_size), and "
            "give all three equal leading axes.",
        )


def _align_mask(mask: ArrayLike, scores: tuple[int, ...]) -> Array:
    """Returns the mask as booleans in the rank of scores, whose shape is [..., H, T, S]."""
    mask = as_array("dot_product_attention", "mask", mask)
    shape = (1,) * (len(scores) - 2) + mask.shape if mask.ndim == 2 else mask.shape
    if len(shape) == len(scores) and all(m in (1, n) for m, n in zip(shape, scores, strict=True)):
        return mask.astype(bool).reshape(shape)
    fix = "pass a mask of shape [T, S], or [B, 1 or H, T, S] with an axis for the heads."
    if mask.ndim == len(scores) - 1:
        fix = "add the head axis: mask[:, None]."
    raise ShapeError(
        f"dot_product_attention got mask of shape {mask.shape} for scores of shape {scores} "
        "[..., H, T, S].",
        fix,
    )
