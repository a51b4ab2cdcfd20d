"""Attention: averages of values, weighted by how well keys match a query."""

from __future__ import annotations

from functools import partial

import jax
from jax import Array, ShapeDtypeStruct
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ShapeError
from pax.functional.arrays import as_array, as_floating, check_floating, promote
from pax.functional.attention_choice import AttentionChoice, choose, here
from pax.functional.attention_chunked import attend_chunked
from pax.functional.attention_quadratic import attend_quadratic

Shaped = Array | ShapeDtypeStruct


def dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    is_causal: bool = False,
    implementation: str | None = None,
) -> Float[Array, "*B T H V"]:
    """Averages values by the softmax of query-key products, for each head apart.

    y[t] = sum_s w[t, s] value[s], with w[t, :] the softmax over s of
    query[t] . key[s] / sqrt(K), among the s that may be seen. The softmax is computed in float32
    at least. A query that may attend to nothing gives zeros.

    The implementations differ in time and memory only: "quadratic" holds all scores, [T, S];
    "chunked" holds [128, 128] of them at a time, and computes them again for the gradient;
    "cudnn" is the kernel behind `jax.nn.dot_product_attention`, for float16 and bfloat16 on NVIDIA
    GPUs, without mask, with `jax.grad` but neither `jax.jvp` nor second derivatives.

    Args:
        query: shape [..., T, H, K], floating.
        key: shape [..., S, H, K].
        value: shape [..., S, H, V].
        mask: nonzero or True where a query may attend to a key; shape [T, S], or with all
            leading axes and the head axis of the query, [..., 1 or H, T, S]; any axis may be 1.
            None allows all.
        is_causal: whether query t may attend to the keys s <= t only, counted from the start of
            both sequences also where their lengths differ; with a mask, both must allow it.
        implementation: "quadratic", "chunked" or "cudnn"; None takes "cudnn" where it applies,
            otherwise "chunked" where the scores are large. `attention_implementation` tells.
    Returns:
        Shape [..., T, H, V], in the dtype `jnp` promotes the three to.
    Raises:
        ShapeError: if the shapes do not fit together; for a mask [B, T, S] without head axis.
        DtypeError: if query, key or value is not floating.
        ArgumentError: if there is no such implementation, or "cudnn" does not apply.
    Example:
        >>> query, key, value = jnp.ones((3, 1, 5, 2, 4))
        >>> pax.functional.dot_product_attention(query, key, value, is_causal=True).shape
        (1, 5, 2, 4)
    Source: Vaswani et al., "Attention is all you need", 2017 (arXiv 1706.03762); in chunks: Rabe
        and Staats, "Self-attention does not need O(n^2) memory", 2021 (arXiv 2112.05682).
    """
    query = as_floating("dot_product_attention", "query", query)
    key = as_floating("dot_product_attention", "key", key)
    value = as_floating("dot_product_attention", "value", value)
    _check_shapes(query, key, value)
    query, key, value = promote(query, key, value)
    choice = choose(here(query, key, value, mask is not None), implementation)
    if mask is not None:
        mask = as_array("dot_product_attention", "mask", mask)
        mask = mask.astype(bool).reshape(_mask_shape(mask.shape, query, key))
    return _attend(query, key, value, mask, is_causal, choice.implementation)


def attention_implementation(
    query: ArrayLike | ShapeDtypeStruct,
    key: ArrayLike | ShapeDtypeStruct,
    value: ArrayLike | ShapeDtypeStruct,
    mask: ArrayLike | ShapeDtypeStruct | None = None,
    *,
    is_causal: bool = False,
    implementation: str | None = None,
) -> AttentionChoice:
    """Tells which implementation `dot_product_attention` takes for these arguments, and why.

    Only shapes and dtypes count, and the device that JAX computes on by default.

    Args:
        query: as there, or a `jax.ShapeDtypeStruct`; so are all arrays.
        key: as there.
        value: as there.
        mask: as there.
        is_causal: as there; it does not change the choice.
        implementation: as there.
    Returns:
        The name, `implementation`, and the `reason`.
    Raises:
        ShapeError: as there.
        DtypeError: as there.
        ArgumentError: as there.
    Example:
        >>> x = jax.ShapeDtypeStruct((8, 16384, 4, 64), jnp.float32)
        >>> print(pax.functional.attention_implementation(x, x, x))
        chunked: scores of 8 x 4 x 16384 x 16384 would take 34 GB
    """
    del is_causal
    query = _shape_of("query", query)
    key = _shape_of("key", key)
    value = _shape_of("value", value)
    _check_shapes(query, key, value)
    if mask is not None:
        if not isinstance(mask, ShapeDtypeStruct):
            mask = as_array("dot_product_attention", "mask", mask)
        _mask_shape(mask.shape, query, key)
    return choose(here(query, key, value, mask is not None), implementation)


@partial(jax.jit, inline=True, static_argnums=(4, 5))  # one dispatch where called eagerly
def _attend(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    is_causal: bool,
    implementation: str,
) -> Array:
    if implementation == "cudnn":
        flat = (x.reshape(-1, *x.shape[-3:]) for x in (query, key, value))
        y = jax.nn.dot_product_attention(*flat, is_causal=is_causal, implementation="cudnn")
        return y.reshape(query.shape)
    attend = attend_chunked if implementation == "chunked" else attend_quadratic
    return attend(query, key, value, mask, is_causal)


def _shape_of(argument: str, value: ArrayLike | ShapeDtypeStruct) -> ShapeDtypeStruct:
    if not isinstance(value, ShapeDtypeStruct):
        value = as_array("dot_product_attention", argument, value)
    check_floating("dot_product_attention", argument, value.dtype)
    return ShapeDtypeStruct(value.shape, value.dtype)


def _check_shapes(query: Shaped, key: Shaped, value: Shaped) -> None:
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


def _mask_shape(mask: tuple[int, ...], query: Shaped, key: Shaped) -> tuple[int, ...]:
    """Returns the shape of the mask in the rank of the scores, [..., H, T, S]."""
    *lead, queries, heads, _ = query.shape
    scores = (*lead, heads, queries, key.shape[-3])
    shape = (1,) * (len(scores) - 2) + mask if len(mask) == 2 else mask
    if len(shape) == len(scores) and all(m in (1, n) for m, n in zip(shape, scores, strict=True)):
        return shape
    fix = "pass a mask of shape [T, S], or [B, 1 or H, T, S] with an axis for the heads."
    if len(mask) == len(scores) - 1:
        fix = "add the head axis: mask[:, None]."
    raise ShapeError(
        f"dot_product_attention got mask of shape {mask} for scores of shape {scores} "
        "[..., H, T, S].",
        fix,
    )
