"""Cross entropy of classes: labels, smoothed labels or probabilities, weighted."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import arguments
from pax.losses import inputs
from pax.losses.reduction import reduced, times, without_ignored


def cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    label_smoothing: float = 0.0,
    class_weights: ArrayLike | None = None,
    ignore_index: int | None = None,
    weights: ArrayLike | None = None,
    reduction: str = "mean",
) -> Float[Array, "..."]:
    """Returns the cross entropy between the labels and the softmax of the logits.

    l = -sum_c v_c q_c log p_c, with p = softmax(logits), v the class_weights, and q the label as
    probabilities: (1 - s) of it, and s spread evenly over the classes, s = label_smoothing.
    A class whose logit is -inf is no choice: no smoothing goes to it. The mean divides by the
    sum of v_label over integer labels, by the number of examples otherwise, as torch does. A label
    outside 0 ... K - 1 gives NaN.

    Args:
        logits: shape [..., K], one axis of classes, the last.
        labels: integers of shape [...], or probabilities of shape [..., K].
        label_smoothing: s, 0 <= s < 1.
        class_weights: v, shape [K]; 1 where None.
        ignore_index: a label, any integer, that marks examples which do not count.
        weights: shape [...], numbers or a mask; how much an example counts.
        reduction: "mean", "sum", or "none" for the loss of each example.
    Returns:
        A number, or shape [...] if reduction is "none"; float32, or float64 for such logits.
    Raises:
        ArgumentError: if label_smoothing is not in [0, 1), or reduction is none of these.
        DtypeError: if logits are not floating.
        ShapeError: if the shapes do not fit together.
    Example:
        >>> logits = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
        >>> print(jnp.exp(-pax.losses.cross_entropy(logits, jnp.array([1, 2]), reduction="none")))
        [0.25 0.8 ]
    Source: Szegedy et al., "Rethinking the inception architecture for computer vision", 2016
        (arXiv 1512.00567), for the smoothing.
    """
    name = "cross_entropy"
    inputs.check_reduction(name, reduction)
    smoothing = arguments.rate(name, "label_smoothing", label_smoothing, may_be_one=False)
    logits = inputs.logits_of_classes(name, logits)
    labels = inputs.class_labels(name, labels, logits)
    by_class = inputs.class_weights_for(name, class_weights, logits)
    counts = inputs.example_weights(name, weights, logits.shape[:-1], logits.dtype)
    counts = inputs.ignored(name, ignore_index, labels, counts)
    return _cross_entropy(logits, labels, by_class, counts, smoothing, reduction)


@partial(jax.jit, static_argnums=(4, 5), inline=True)  # one dispatch where called eagerly
def _cross_entropy(
    logits: Array,
    labels: Array,
    by_class: Array | None,
    counts: Array | None,
    smoothing: float,
    reduction: str,
) -> Array:
    counts = None if counts is None else counts.astype(logits.dtype)
    logits = without_ignored(logits, counts)
    log_sum = jax.nn.logsumexp(logits, axis=-1, keepdims=True)
    if jnp.issubdtype(labels.dtype, jnp.floating):
        losses, divisors = _expected(labels, logits, log_sum, by_class), None
    else:
        safe, is_label = known_labels(labels, logits.shape[-1])
        losses = log_sum[..., 0] - jnp.take_along_axis(logits, safe[..., None], -1)[..., 0]
        losses = jnp.where(is_label, losses, jnp.nan)
        divisors = None if by_class is None else by_class[safe]
        losses = losses if divisors is None else times(divisors, losses)
    if smoothing:
        is_choice = (logits > -jnp.inf).astype(logits.dtype)
        even = is_choice / jnp.sum(is_choice, axis=-1, keepdims=True)
        smooth = _expected(even, logits, log_sum, by_class)
        losses = (1 - smoothing) * losses + smoothing * smooth
    return reduced(losses, counts, reduction, divisors)


def _expected(q: Array, logits: Array, log_sum: Array, by_class: Array | None) -> Array:
    """Returns -sum_c v_c q_c log p_c, where 0 log 0 is 0."""
    q = q if by_class is None else q * by_class.reshape((1,) * (q.ndim - 1) + by_class.shape)
    return jnp.sum(times(q, log_sum - logits), axis=-1)


def known_labels(labels: Array, num_classes: int) -> tuple[Array, Any]:
    """Returns the labels, 0 in the place of those that are no class, and which are classes."""
    is_label = (labels >= 0) & (labels < num_classes)
    return jnp.where(is_label, labels, 0), is_label
