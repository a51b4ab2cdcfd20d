"""The soft Dice loss of segmentation: how far two sets of places are from being one."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, arguments
from pax.losses import inputs
from pax.losses.cross_entropy import known_labels
from pax.losses.reduction import reduced, without_ignored


def dice_loss(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    smooth: float = 1.0,
    class_weights: ArrayLike | None = None,
    ignore_index: int | None = None,
    weights: ArrayLike | None = None,
    reduction: str = "mean",
) -> Float[Array, "..."]:
    """Returns one minus the soft Dice coefficient, averaged over the classes.

    l = 1 - mean_c (2 sum_n p_nc q_nc + s) / (sum_n p_nc + sum_n q_nc + s), with p the softmax of
    the logits, q the labels as probabilities, n the places of one example, and s the argument
    smooth. With s = 0 a class that is nowhere has coefficient 1. A label outside 0 ... K - 1
    gives NaN.

    Args:
        logits: shape [B, ..., K]: examples, places, classes.
        labels: integers of shape [B, ...], or probabilities of shape [B, ..., K].
        smooth: s, 0 or more; it keeps small sets from deciding the loss.
        class_weights: shape [K], for a weighted mean over the classes: 0 leaves out a background;
            where all are 0 the loss is 0.
        ignore_index: a label, any integer, that marks places which do not count.
        weights: shape [B], numbers or a mask; how much an example counts.
        reduction: "mean", "sum", or "none" for the loss of each example.
    Returns:
        A number, or shape [B] if reduction is "none"; float32, or float64 for such logits.
    Raises:
        ArgumentError: if smooth is negative, or reduction is none of these.
        DtypeError: if logits are not floating.
        ShapeError: if the shapes do not fit together.
    Example:
        >>> logits = 20.0 * jax.nn.one_hot(jnp.array([[0, 1, 1, 0]]), 2)
        >>> [round(float(pax.losses.dice_loss(logits, jnp.array([y]))), 3)
        ...     for y in ([0, 1, 1, 0], [0, 1, 0, 0])]
        [0.0, 0.208]
    Source: Milletari et al., "V-Net: fully convolutional neural networks for volumetric medical
        image segmentation", 2016 (arXiv 1606.04797).
    """
    name = "dice_loss"
    inputs.check_reduction(name, reduction)
    smooth = arguments.number(name, "smooth", smooth)
    if smooth < 0:
        raise ArgumentError(
            f"{name} got smooth={smooth:g}; expected a number of at least 0.", "write smooth=1.0."
        )
    logits = inputs.logits_of_classes(name, logits, min_ndim=2)
    labels = inputs.class_labels(name, labels, logits)
    by_class = inputs.class_weights_for(name, class_weights, logits)
    counts = inputs.example_weights(name, weights, logits.shape[:1], logits.dtype)
    places = inputs.ignored(name, ignore_index, labels, None)
    return _dice(logits, labels, by_class, counts, places, smooth, reduction)


@partial(jax.jit, static_argnums=(5, 6), inline=True)  # one dispatch where called eagerly
def _dice(
    logits: Array,
    labels: Array,
    by_class: Array | None,
    counts: Array | None,
    places: Array | None,
    smooth: float,
    reduction: str,
) -> Array:
    if counts is not None:
        counts_of_places = counts.reshape(counts.shape + (1,) * (logits.ndim - 2))
        shape = logits.shape[:-1]
        logits = without_ignored(logits, jnp.broadcast_to(counts_of_places, shape))
    logits = without_ignored(logits, places)
    is_known = jnp.ones((logits.shape[0],), bool)
    if not jnp.issubdtype(labels.dtype, jnp.floating):
        safe, is_label = known_labels(labels, logits.shape[-1])
        is_label = is_label if places is None else is_label | (places == 0)
        is_known = jnp.all(is_label, axis=tuple(range(1, labels.ndim)))
        labels = jax.nn.one_hot(safe, logits.shape[-1], dtype=logits.dtype)
    p = jax.nn.softmax(logits, axis=-1)
    if places is not None:
        p, labels = (x * places.astype(x.dtype)[..., None] for x in (p, labels))
    over_places = tuple(range(1, logits.ndim - 1))
    common = 2 * jnp.sum(p * labels, axis=over_places) + smooth  # [B, K]
    both = jnp.sum(p + labels, axis=over_places) + smooth
    is_nowhere = both < 1e-12  # a class that is ruled out, or as good as; its square is not 0 yet
    dice = jnp.where(is_nowhere, 1, common) / jnp.where(is_nowhere, 1, both)
    if by_class is None:
        loss = 1 - jnp.mean(dice, axis=-1)
    else:
        no_class_counts = jnp.all(by_class == 0)
        total = jnp.where(no_class_counts, 1, jnp.sum(by_class))
        mean = jnp.sum(by_class[None] * dice, axis=-1) / total
        loss = jnp.where(no_class_counts, 0, 1 - mean)
    return reduced(jnp.where(is_known, loss, jnp.nan), counts, reduction)
