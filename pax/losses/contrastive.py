"""Contrastive losses: find the partner of an example among all others of the batch."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ShapeError, arguments, as_wide
from pax.losses import inputs
from pax.losses.reduction import reduced, without_ignored


def info_nce(
    first: ArrayLike,
    second: ArrayLike,
    *,
    temperature: float | Array = 0.07,
    weights: ArrayLike | None = None,
    reduction: str = "mean",
) -> Float[Array, "..."]:
    """Returns the symmetric InfoNCE loss of pairs, as CLIP has it for images and texts.

    l_i = -(log softmax_j(s_ij) + log softmax_j(s_ji)) / 2 at j = i, with s_ij the cosine of
    first_i and second_j over the temperature: each row finds its partner among all rows of the
    other array. Rows of weight 0 are no one's candidates. For one direction alone, or without the
    cosine, `cross_entropy(scores, jnp.arange(B))` does.

    Args:
        first: shape [B, D], floating.
        second: shape [B, D], the partner of each row.
        temperature: a positive number, or an array without axes, such as a learned one.
        weights: shape [B], numbers or a mask; how much a pair counts.
        reduction: "mean", "sum", or "none" for the loss of each pair.
    Returns:
        A number, or shape [B] if reduction is "none"; float32, or float64 for such arrays.
    Raises:
        ArgumentError: if temperature is a number that is not positive, or reduction is no such.
        DtypeError: if an array is not floating.
        ShapeError: if the shapes do not fit together.
    Example:
        >>> rows = jnp.eye(3)
        >>> print(pax.losses.info_nce(rows, rows, temperature=1.0).round(4))
        0.5514
    Source: van den Oord et al., "Representation learning with contrastive predictive coding", 2018
        (arXiv 1807.03748); Radford et al., "Learning transferable visual models from natural
        language supervision", 2021 (arXiv 2103.00020).
    """
    pairs = _pairs("info_nce", first, second, temperature, weights, reduction)
    return _info_nce(*pairs, reduction)


def nt_xent(
    first: ArrayLike,
    second: ArrayLike,
    *,
    temperature: float | Array = 0.07,
    weights: ArrayLike | None = None,
    reduction: str = "mean",
) -> Float[Array, "..."]:
    """Returns the NT-Xent loss of two views of each example, as SimCLR has it.

    With z the 2 B views, s_ij the cosine of z_i and z_j over the temperature, and p(i) the other
    view of the same example, a view loses -log(exp s_ip(i) / sum_{j != i} exp s_ij), and an example
    the mean of its two views. Rows of weight 0 are no one's candidates. `optax.losses.ntxent`
    groups views by labels instead, and makes an array of [2 B, 2 B, D].

    Args:
        first: shape [B, D], floating: one view of each example.
        second: shape [B, D]: the other view.
        temperature: a positive number, or an array without axes, such as a learned one.
        weights: shape [B], numbers or a mask; how much an example counts.
        reduction: "mean", "sum", or "none" for the loss of each example.
    Returns:
        A number, or shape [B] if reduction is "none"; float32, or float64 for such arrays.
    Raises:
        ArgumentError: if temperature is a number that is not positive, or reduction is no such.
        DtypeError: if an array is not floating.
        ShapeError: if the shapes do not fit together.
    Example:
        >>> views = jnp.eye(3)
        >>> print(pax.losses.nt_xent(views, views, temperature=1.0).round(4))
        0.9048
    Source: Chen et al., "A simple framework for contrastive learning of visual representations",
        2020 (arXiv 2002.05709).
    """
    return _nt_xent(*_pairs("nt_xent", first, second, temperature, weights, reduction), reduction)


def _pairs(
    loss: str, first: object, second: object, temperature: object, weights: object, reduction: str
) -> tuple[Array, Array, Array, Array | None]:
    """Returns the checked arguments as arrays of one dtype."""
    inputs.check_reduction(loss, reduction)
    a, b = as_wide(loss, "first", first), as_wide(loss, "second", second)
    if a.ndim != 2 or a.shape != b.shape:
        raise ShapeError(
            f"{loss} got arrays of shapes {a.shape} and {b.shape}; expected two of one shape "
            "[B, D].",
            "give row i of the second array the partner of row i of the first.",
        )
    dtype = a.dtype if a.dtype == b.dtype else jnp.float64
    if not isinstance(temperature, jax.Array):
        temperature = arguments.positive(loss, "temperature", temperature)
    scale = jnp.asarray(temperature).astype(dtype)
    if scale.ndim:
        raise ShapeError(
            f"{loss} got temperature of shape {scale.shape}; expected a number.",
            "give one temperature for all pairs.",
        )
    counts = inputs.example_weights(loss, weights, a.shape[:1], dtype)
    return a.astype(dtype), b.astype(dtype), scale, counts


@partial(jax.jit, static_argnums=4, inline=True)  # one dispatch where called eagerly
def _info_nce(a: Array, b: Array, scale: Array, counts: Array | None, reduction: str) -> Array:
    a, b = (_normalized(without_ignored(x, counts)) for x in (a, b))
    scores = a @ b.T / scale
    partners = jnp.sum(a * b, axis=-1) / scale
    losses = (_log_sum(scores, counts) + _log_sum(scores.T, counts)) / 2 - partners
    return reduced(losses, counts, reduction)


@partial(jax.jit, static_argnums=4, inline=True)  # one dispatch where called eagerly
def _nt_xent(a: Array, b: Array, scale: Array, counts: Array | None, reduction: str) -> Array:
    a, b = (_normalized(without_ignored(x, counts)) for x in (a, b))
    z = jnp.concatenate([a, b])
    twice = None if counts is None else jnp.concatenate([counts, counts])
    is_itself = jnp.eye(len(z), dtype=bool)
    scores = jnp.where(is_itself, -jnp.inf, z @ z.T / scale)
    partners = jnp.sum(a * b, axis=-1) / scale
    of_first, of_second = jnp.split(_log_sum(scores, twice), 2)
    return reduced((of_first + of_second) / 2 - partners, counts, reduction)


def _normalized(x: Array) -> Array:
    """Returns rows of length 1; a row of zeros stays one, without a gradient of NaN."""
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-24))


def _log_sum(scores: Array, counts: Array | None) -> Array:
    """Returns log sum_j exp s_ij over the candidates j: those that count, and the row's own."""
    if counts is not None:
        is_candidate = (counts != 0)[None, :] | (counts == 0)[:, None]  # finite for every row
        scores = jnp.where(is_candidate, scores, -jnp.inf)
    return jax.nn.logsumexp(scores, axis=-1)
