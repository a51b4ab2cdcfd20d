"""Precision, recall and their mean: how well each class is found."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Self

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, arguments
from pax.metrics import inputs, sums
from pax.metrics.metric import Metric

_AVERAGES = ("macro", "micro", "binary", "none")


class _ByClass(Metric):
    """Counts, for each class, of examples found, predicted and labelled as it."""

    _ndim = 1
    found: sums.Sum
    predicted: sums.Sum
    labelled: sums.Sum
    #: How much of the divisor is what was predicted, and how much what was labelled.
    _shares: ClassVar[tuple[float, float]]

    def __init__(self, num_classes: int, average: str = "macro") -> None:
        super().__init__()
        name = type(self).__name__
        arguments.sizes(name, num_classes=num_classes)
        arguments.one_of(name, "average", average, _AVERAGES)
        if average == "binary" and num_classes != 2:
            raise ArgumentError(
                f"{name} got average='binary' for {num_classes} classes; expected 2.",
                "write average='macro', or 'none' for each class by itself.",
            )
        self.num_classes = int(num_classes)
        self.average = average
        for part in ("found", "predicted", "labelled"):
            setattr(self, part, sums.zeros((self.num_classes,)))

    def update(
        self, predictions: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None
    ) -> Self:
        """Returns the metric with a batch added.

        Args:
            predictions: logits or probabilities of shape [..., K], floating, or classes of shape
                [...], integers. Scores with a NaN predict nothing, and make the metric NaN.
            labels: integers of shape [...].
            weights: numbers or a mask, the shape of labels or of its first axes; examples of weight
                0 do not count.
        Raises:
            ArgumentError: if a class that counts is none of the K, where nothing is compiled.
            DtypeError: if labels are no integers.
            ShapeError: if the shapes do not fit together.
        """
        checked = inputs.predictions_and_labels(self, predictions, labels, weights)
        found, predicted, labelled = _by_class(*checked, self.num_classes)
        return self._plus(found=found, predicted=predicted, labelled=labelled)

    def compute(self) -> Float[Array, "..."]:
        """Returns the average, or shape [K] without one; NaN before the first update."""
        counts = map(sums.value, (self.found, self.predicted, self.labelled))
        return _averaged(*counts, self._shares, self.average)

    def __repr__(self) -> str:
        return self._repr({"num_classes": self.num_classes, "average": self.average})


class Precision(_ByClass):
    """Of the examples predicted as a class, the share that are of it.

    Args:
        num_classes: K; positive.
        average: "macro", the mean over the classes that occur in labels or predictions;
            "micro", over all examples at once; "binary", class 1 of two; "none", each class, NaN
            for one that never occurs. A class that occurs and is never predicted has precision 0.
    Raises:
        ArgumentError: if an argument is none of these.
    Example:
        >>> predictions, labels = jnp.array([1, 1, 0, 1]), jnp.array([1, 0, 0, 1])
        >>> print(pax.metrics.Precision(2, "none").update(predictions, labels).compute().round(4))
        [1.     0.6667]
    """

    _shares = (1.0, 0.0)


class Recall(_ByClass):
    """Of the examples of a class, the share that are predicted as it.

    Args:
        num_classes: K; positive.
        average: "macro", the mean over the classes that occur in labels or predictions;
            "micro", over all examples at once; "binary", class 1 of two; "none", each class, NaN
            for one that never occurs. A class that is only predicted has recall 0.
    Raises:
        ArgumentError: if an argument is none of these.
    Example:
        >>> predictions, labels = jnp.array([1, 1, 0, 1]), jnp.array([1, 0, 0, 1])
        >>> print(pax.metrics.Recall(2, "none").update(predictions, labels).compute())
        [0.5 1. ]
    """

    _shares = (0.0, 1.0)


class F1Score(_ByClass):
    """The harmonic mean of precision and recall: 2 found / (predicted + labelled).

    Args:
        num_classes: K; positive.
        average: "macro", the mean over the classes that occur in labels or predictions;
            "micro", over all examples at once; "binary", class 1 of two; "none", each class, NaN
            for one that never occurs.
    Raises:
        ArgumentError: if an argument is none of these.
    Example:
        >>> predictions, labels = jnp.array([1, 1, 0, 1]), jnp.array([1, 0, 0, 1])
        >>> print(pax.metrics.F1Score(2, "binary").update(predictions, labels).compute())
        0.8
    """

    _shares = (0.5, 0.5)


@partial(jax.jit, static_argnums=4)  # one dispatch where called eagerly
def _by_class(
    guesses: Array, labels: Array, weights: Array | None, is_wrong: Array, num_classes: int
) -> tuple[sums.Sum, ...]:
    found = jnp.where(guesses == labels, labels, num_classes)
    counts = (sums.counted_at(x, num_classes, weights) for x in (found, guesses, labels))
    return tuple(sums.spoiled(x, is_wrong) for x in counts)


@partial(jax.jit, static_argnums=(3, 4))  # one dispatch where called eagerly
def _averaged(
    found: Array,
    predicted: Array,
    labelled: Array,
    shares: tuple[float, float],
    average: str,
) -> Array:
    divisor = shares[0] * predicted + shares[1] * labelled
    if average == "micro":
        return jnp.sum(found) / jnp.sum(divisor)
    occurs = (predicted != 0) | (labelled != 0)
    score = jnp.where(divisor == 0, 0, found) / jnp.where(divisor == 0, 1, divisor)
    if average == "macro":
        return jnp.sum(score) / jnp.sum(occurs, dtype=score.dtype)
    if average == "binary":
        return jnp.where(jnp.any(occurs), score[1], jnp.nan)
    return jnp.where(occurs, score, jnp.nan)
