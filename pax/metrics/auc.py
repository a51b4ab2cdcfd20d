"""The area under the ROC curve."""

from __future__ import annotations

from functools import partial
from typing import Self

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, arguments, as_wide, is_tracing
from pax.metrics import inputs, sums
from pax.metrics.metric import Metric


class AUC(Metric):
    """The area under the ROC curve: how often a positive scores above a negative.

    Scores are counted in bins of one width over [0, 1], and a pair in one bin as half a win. So the
    area is off by at most half the share of pairs, of a positive and a negative, that meet in a
    bin: 1 / (2 num_bins) for scores that are spread evenly, more where they crowd, and nothing for
    scores that are multiples of 1 / num_bins.

    Args:
        num_bins: how many bins; memory grows with it and nothing else.
    Raises:
        ArgumentError: if num_bins is no positive integer.
    Example:
        >>> scores, labels = jnp.array([0.9, 0.6, 0.4, 0.2]), jnp.array([1, 0, 1, 0])
        >>> print(pax.metrics.AUC().update(scores, labels).compute())
        0.75
    """

    _ndim = 1
    positives: sums.Sum
    negatives: sums.Sum

    def __init__(self, num_bins: int = 1024) -> None:
        super().__init__()
        arguments.sizes("AUC", num_bins=num_bins)
        self.num_bins = int(num_bins)
        self.positives, self.negatives = (sums.zeros((self.num_bins,)) for _ in range(2))

    def update(
        self, scores: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None
    ) -> Self:
        """Returns the metric with a batch added.

        Args:
            scores: any shape [...], floating, from 0 to 1: probabilities, such as the sigmoid of
                logits.
            labels: 0 and 1, or truth values, of the same shape.
            weights: numbers or a mask, the shape of labels or of its first axes; examples of weight
                0 do not count.
        Raises:
            ArgumentError: if a score or label that counts is out of range, where nothing is
                compiled; compiled, the area is NaN.
            DtypeError: if scores are not floating, or labels no integers.
            ShapeError: if the shapes do not fit together.
        """
        x = as_wide("AUC", "scores", scores)
        y = inputs.labels_for("AUC", labels, x.shape)
        w = inputs.weights_for("AUC", weights, y.shape)
        is_wrong = inputs.are_wrong("AUC", "labels", y, 2, w)
        positives, negatives, is_outside = _in_bins(x, y, w, is_wrong, self.num_bins)
        if not is_tracing() and is_outside.is_fully_addressable and is_outside.item():
            raise ArgumentError(
                "AUC got scores outside [0, 1]; expected probabilities.",
                "pass jax.nn.sigmoid(logits), or softmax(logits)[..., 1] of two classes.",
            )
        return self._plus(positives=positives, negatives=negatives)

    def compute(self) -> Float[Array, "..."]:
        """Returns the area, from 0 to 1; NaN until there is a positive and a negative."""
        return _area(sums.value(self.positives), sums.value(self.negatives))

    def __repr__(self) -> str:
        return self._repr({"num_bins": self.num_bins})


@partial(jax.jit, static_argnums=4)  # one dispatch where called eagerly
def _in_bins(
    scores: Array, labels: Array, weights: Array | None, is_wrong: Array, num_bins: int
) -> tuple[sums.Sum, sums.Sum, Array]:
    outside = ~((scores >= 0) & (scores <= 1))  # NaN too
    is_outside = jnp.any(outside if weights is None else outside & inputs.counts(weights))
    bins = jnp.clip(jnp.nan_to_num(scores) * num_bins, 0, num_bins - 1).astype(jnp.int32)
    # labels 1 and 0 have bins of their own, negatives first
    counts = sums.counted_at(bins + num_bins * labels, 2 * num_bins, weights)
    counts = sums.spoiled(counts, is_wrong | is_outside)
    negatives, positives = (
        sums.Sum(*parts) for parts in zip(*(jnp.split(x, 2) for x in counts), strict=True)
    )
    return positives, negatives, is_outside


@jax.jit  # one dispatch where called eagerly
def _area(positives: Array, negatives: Array) -> Array:
    above = jnp.cumsum(positives[::-1])[::-1] - positives / 2
    return jnp.sum(negatives * above / jnp.sum(positives)) / jnp.sum(negatives)
