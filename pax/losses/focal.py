"""The focal loss of many classes: cross entropy that looks away from what is easy."""

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
from pax.losses.reduction import reduced, times, without_ignored


def focal_loss(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    gamma: float = 2.0,
    class_weights: ArrayLike | None = None,
    ignore_index: int | None = None,
    weights: ArrayLike | None = None,
    reduction: str = "mean",
) -> Float[Array, "..."]:
    """Returns the cross entropy, scaled down for the examples that are classified well.

    l = -v (1 - p)^gamma log p, with p the softmax of the logits at the label and v the weight of
    its class. With gamma = 0 it is `cross_entropy`. The mean divides by the sum of v. A label
    outside 0 ... K - 1 gives NaN.

    Args:
        logits: shape [..., K], one axis of classes, the last.
        labels: integers of shape [...].
        gamma: how much more the hard examples count, 0 or more.
        class_weights: shape [K], alpha in the paper; 1 where None.
        ignore_index: a label, any integer, that marks examples which do not count.
        weights: shape [...], numbers or a mask; how much an example counts.
        reduction: "mean", "sum", or "none" for the loss of each example.
    Returns:
        A number, or shape [...] if reduction is "none"; float32, or float64 for such logits.
    Raises:
        ArgumentError: if gamma is negative, or reduction is none of these.
        DtypeError: if logits are not floating, or labels no integers.
        ShapeError: if the shapes do not fit together.
    Example:
        >>> logits = jnp.log(jnp.array([[0.9, 0.1], [0.5, 0.5]]))
        >>> print(pax.losses.focal_loss(logits, jnp.array([0, 0]), reduction="none").round(4))
        [0.0011 0.1733]
    Source: Lin et al., "Focal loss for dense object detection", 2017 (arXiv 1708.02002).
    """
    name = "focal_loss"
    inputs.check_reduction(name, reduction)
    gamma = arguments.number(name, "gamma", gamma)
    if gamma < 0:
        raise ArgumentError(
            f"{name} got gamma={gamma:g}; expected a number of at least 0.", "write gamma=2.0."
        )
    logits = inputs.logits_of_classes(name, logits)
    labels = inputs.integer_labels(name, labels, logits)
    by_class = inputs.class_weights_for(name, class_weights, logits)
    counts = inputs.example_weights(name, weights, logits.shape[:-1], logits.dtype)
    counts = inputs.ignored(name, ignore_index, labels, counts)
    return _focal(logits, labels, by_class, counts, gamma, reduction)


@partial(jax.jit, static_argnums=(4, 5), inline=True)  # one dispatch where called eagerly
def _focal(
    logits: Array,
    labels: Array,
    by_class: Array | None,
    counts: Array | None,
    gamma: float,
    reduction: str,
) -> Array:
    counts = None if counts is None else counts.astype(logits.dtype)
    logits = without_ignored(logits, counts)
    safe, is_label = known_labels(labels, logits.shape[-1])
    log_sum = jax.nn.logsumexp(logits, axis=-1)
    losses = log_sum - jnp.take_along_axis(logits, safe[..., None], -1)[..., 0]
    if gamma:
        # log(1 - p), as the share of all other classes, keeps every digit where p is close to 1.
        is_of_label = jax.nn.one_hot(safe, logits.shape[-1], dtype=bool)
        others = jnp.where(is_of_label, -jnp.inf, logits)
        some = jnp.any(others > -jnp.inf, axis=-1)
        log_rest = jax.nn.logsumexp(jnp.where(some[..., None], others, 0), axis=-1) - log_sum
        losses = jnp.where(some, jnp.exp(gamma * log_rest), 0) * losses
    losses = jnp.where(is_label, losses, jnp.nan)
    if by_class is None:
        return reduced(losses, counts, reduction)
    of_label = by_class[safe]
    return reduced(times(of_label, losses), counts, reduction, of_label)
