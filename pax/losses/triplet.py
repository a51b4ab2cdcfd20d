"""The triplet loss with the hardest triplets of the batch."""

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


def batch_hard_triplet_loss(
    embeddings: ArrayLike,
    labels: ArrayLike,
    *,
    margin: float = 1.0,
    weights: ArrayLike | None = None,
    reduction: str = "mean",
) -> Float[Array, "..."]:
    """Returns the triplet loss of each row with its farthest friend and its nearest stranger.

    l_i = max(0, max_p |z_i - z_p| - min_n |z_i - z_n| + margin), p over the other rows of the same
    label, n over those of another. A row that lacks either does not count, and rows of weight
    0 are in no triplet. `optax.losses.triplet_margin_loss` takes triplets that are given.

    Args:
        embeddings: z, shape [B, D], floating.
        labels: integers, shape [B].
        margin: by how much strangers shall be farther away than friends; positive.
        weights: shape [B], numbers or a mask; how much a row counts as the first of a triplet.
        reduction: "mean", "sum", or "none" for the loss of each row.
    Returns:
        A number, or shape [B] if reduction is "none"; float32, or float64 for such embeddings.
    Raises:
        ArgumentError: if margin is not positive, or reduction is none of these.
        DtypeError: if embeddings are not floating, or labels no integers.
        ShapeError: if the shapes do not fit together.
    Example:
        >>> z, labels = jnp.array([[0.0], [3.0], [1.0]]), jnp.array([0, 0, 1])
        >>> print(pax.losses.batch_hard_triplet_loss(z, labels, reduction="none"))
        [3. 2. 0.]
    Source: Hermans et al., "In defense of the triplet loss for person re-identification", 2017
        (arXiv 1703.07737).
    """
    name = "batch_hard_triplet_loss"
    inputs.check_reduction(name, reduction)
    z = as_wide(name, "embeddings", embeddings)
    if z.ndim != 2:
        raise ShapeError(
            f"{name} got embeddings of shape {z.shape}; expected [B, D].",
            "give one row for each example.",
        )
    labels = inputs.integer_labels(name, labels, z)
    counts = inputs.example_weights(name, weights, z.shape[:1], z.dtype)
    margin = arguments.positive(name, "margin", margin)
    return _batch_hard(z, labels, counts, margin, reduction)


@partial(jax.jit, static_argnums=(3, 4), inline=True)  # one dispatch where called eagerly
def _batch_hard(
    z: Array, labels: Array, counts: Array | None, margin: float, reduction: str
) -> Array:
    if len(z) == 0:
        return reduced(jnp.sum(z, axis=-1), None, reduction)
    z = without_ignored(z, counts)
    counts = jnp.ones(len(z), z.dtype) if counts is None else counts
    is_same = labels[:, None] == labels[None, :]
    is_there = (counts != 0)[None, :]
    friends = is_same & is_there & ~jnp.eye(len(z), dtype=bool)
    strangers = ~is_same & is_there
    far = _squares(jax.lax.stop_gradient(z), counts)
    friend = jnp.argmax(jnp.where(friends, far, -jnp.inf), axis=-1)
    stranger = jnp.argmin(jnp.where(strangers, far, jnp.inf), axis=-1)
    losses = jnp.maximum(_distance(z, z[friend]) - _distance(z, z[stranger]) + margin, 0)
    has_both = jnp.any(friends, axis=-1) & jnp.any(strangers, axis=-1)
    return reduced(losses, jnp.where(has_both, counts, 0), reduction)


def _squares(z: Array, counts: Array) -> Array:
    """Returns the squared distances of all rows from all, good enough to choose by.

    They are those of the rows less their mean: of rows far from 0 the products would leave no
    digits for how they differ.
    """
    is_there = (counts != 0)[:, None]
    mean = jnp.sum(z, axis=0, keepdims=True) / jnp.maximum(jnp.sum(is_there, dtype=z.dtype), 1)
    z = jnp.where(is_there, z - mean, 0)
    squares = jnp.sum(z * z, axis=-1)
    products = jnp.matmul(z, z.T, precision=jax.lax.Precision.HIGHEST)
    return squares[:, None] + squares[None, :] - 2 * products


def _distance(x: Array, y: Array) -> Array:
    """Returns the distance of each two rows; where it is 0 its gradient is 0 too."""
    square = jnp.sum(jnp.square(x - y), axis=-1)
    is_zero = square == 0
    return jnp.where(is_zero, 0, jnp.sqrt(jnp.where(is_zero, 1, square)))
