"""Additive attention: scores from a small network, not from products."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ShapeError
from pax.functional.arrays import accumulation_dtype, as_array, as_floating, promote

NAME = "additive_attention"


def additive_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    weight: ArrayLike,
    mask: ArrayLike | None = None,
) -> Float[Array, "*B T V"]:
    """Averages values by the softmax of a network's scores of queries and keys.

    y[t] = sum_s a[t, s] value[s], with a[t, :] the softmax over s of
    weight . tanh(query[t] + key[s]), among the s that may be seen. The scores are computed in
    float32 at least. A query that may attend to nothing gives zeros.

    Args:
        query: shape [..., T, D], floating.
        key: shape [..., S, D].
        value: shape [..., S, V].
        weight: shape [D].
        mask: nonzero or True where a query may attend to a key; shape [T, S], or with all leading
            axes of the query, [..., T, S]; any axis may be 1. None allows all.
    Returns:
        Shape [..., T, V], in the dtype `jnp` promotes all to.
    Raises:
        ShapeError: if the shapes do not fit together.
        DtypeError: if query, key, value or weight is not floating.
    Example:
        >>> query, key, weight = jnp.ones((2, 1, 4)), jnp.ones((2, 5, 4)), jnp.ones(4)
        >>> pax.functional.additive_attention(query, key, key, weight).shape
        (2, 1, 4)
    Source: Bahdanau et al., "Neural machine translation by jointly learning to align and
        translate", 2014 (arXiv 1409.0473).
    """
    given = {"query": query, "key": key, "value": value, "weight": weight}
    query, key, value, weight = (as_floating(NAME, name, x) for name, x in given.items())
    fits = (
        query.ndim == key.ndim == value.ndim >= 2
        and query.shape[:-2] == key.shape[:-2]
        and key.shape[:-1] == value.shape[:-1]
        and query.shape[-1:] == key.shape[-1:] == weight.shape
    )
    if not fits:
        raise ShapeError(
            f"{NAME} got query {query.shape}, key {key.shape}, value {value.shape}, weight "
            f"{weight.shape}; expected (..., T, D), (..., S, D), (..., S, V), (D,).",
            "map queries and keys to one width first, and give all equal leading axes.",
        )
    if mask is not None:
        mask = as_array(NAME, "mask", mask)
        mask = mask.astype(bool).reshape(_mask_shape(mask.shape, query, key))
    return _attended(*promote(query, key, value, weight), mask)


def _mask_shape(mask: tuple[int, ...], query: Array, key: Array) -> tuple[int, ...]:
    """Returns the shape of the mask in the rank of the scores, [..., T, S]."""
    scores = (*query.shape[:-1], key.shape[-2])
    shape = (1,) * (len(scores) - 2) + mask if len(mask) == 2 else mask
    if len(shape) == len(scores) and all(m in (1, n) for m, n in zip(shape, scores, strict=True)):
        return shape
    raise ShapeError(
        f"{NAME} got mask of shape {mask} for scores of shape {scores} [..., T, S].",
        "pass a mask of shape [T, S], or [B, T, S]; of places of the source alone, mask[:, None].",
    )


@partial(jax.jit, inline=True)  # one dispatch where called eagerly
def _attended(query: Array, key: Array, value: Array, weight: Array, mask: Array | None) -> Array:
    wide = accumulation_dtype(query)
    hidden = jnp.tanh(query.astype(wide)[..., :, None, :] + key.astype(wide)[..., None, :, :])
    # a sum, not a product of matrices: XLA then never makes the array [..., T, S, D]
    scores = jnp.sum(hidden * weight.astype(wide).reshape((1,) * query.ndim + (-1,)), axis=-1)
    if mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf)
    # finite where all is masked; it cancels, so no gradient goes through it
    lowest = jnp.finfo(wide).min
    largest = jnp.max(lax.stop_gradient(scores), axis=-1, keepdims=True, initial=lowest)
    weights = jnp.exp(scores - largest)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    total = jnp.where(total == 0, jnp.ones((), wide), total)
    return jnp.einsum("...ts,...sv->...tv", weights / total, value.astype(wide)).astype(value.dtype)
