"""How often the prediction is right."""

from __future__ import annotations

from functools import partial
from typing import Self

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from pax._core import ShapeError, arguments
from pax.metrics import inputs
from pax.metrics.weighted_mean import WeightedMean


class Accuracy(WeightedMean):
    """The share of examples whose predicted class is the label.

    Of logits or probabilities the largest is the prediction, the first of equals; scores with a
    NaN are never right.

    Example:
        >>> logits = jnp.array([[2.0, 1.0], [0.0, 3.0], [5.0, 0.0]])
        >>> print(pax.metrics.Accuracy().update(logits, jnp.array([0, 1, 1])).compute().round(4))
        0.6667
    """

    def update(
        self, predictions: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None
    ) -> Self:
        """Returns the metric with a batch added.

        Args:
            predictions: logits or probabilities of shape [..., K], floating, or classes of shape
                [...], integers.
            labels: integers of shape [...].
            weights: numbers or a mask, the shape of labels or of its first axes; examples of weight
                0 do not count.
        Raises:
            ArgumentError: if a label that counts is no class, where nothing is compiled.
            DtypeError: if labels are no integers.
            ShapeError: if the shapes do not fit together.
        """
        name = type(self).__name__
        guesses, is_nan = inputs.predicted_classes(name, predictions, None)
        y = inputs.labels_for(name, labels, guesses.shape)
        w = inputs.weights_for(name, weights, y.shape)
        has_classes = jnp.ndim(predictions) > y.ndim
        num_classes = jnp.shape(predictions)[-1] if has_classes else None
        is_wrong = inputs.are_wrong(name, "labels", y, num_classes, w)
        return self._add_hits(_is_equal(guesses, y, is_nan), w, is_wrong)


@jax.jit  # one dispatch where called eagerly
def _is_equal(guesses: Array, labels: Array, is_nan: Array) -> Array:
    return (guesses == labels) & ~is_nan


class TopKAccuracy(WeightedMean):
    """The share of examples whose label is among the k classes with the largest scores.

    Of equal scores the first comes first, so that k = 1 is `Accuracy`; scores with a NaN are never
    right.

    Args:
        k: how many classes may be named; positive.
    Raises:
        ArgumentError: if k is no positive integer.
    Example:
        >>> logits = jnp.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
        >>> print(pax.metrics.TopKAccuracy(2).update(logits, jnp.array([1, 0])).compute())
        0.5
    """

    def __init__(self, k: int) -> None:
        super().__init__()
        arguments.sizes("TopKAccuracy", k=k)
        self.k = int(k)

    def update(
        self, logits: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None
    ) -> Self:
        """Returns the metric with a batch added.

        Args:
            logits: scores of shape [..., K], floating, K at least k.
            labels: integers of shape [...].
            weights: numbers or a mask, the shape of labels or of its first axes; examples of weight
                0 do not count.
        Raises:
            ArgumentError: if a label that counts is no class, where nothing is compiled.
            DtypeError: if logits are not floating, or labels no integers.
            ShapeError: if the shapes do not fit together, or there are less than k classes.
        """
        name = type(self).__name__
        x = inputs.scores_of_classes(name, logits)
        if x.shape[-1] < self.k:
            raise ShapeError(
                f"{self!r} got logits of shape {x.shape}; expected (..., {self.k}) or more "
                "classes.",
                f"write {name}({x.shape[-1]}) or less.",
            )
        y = inputs.labels_for(name, labels, x.shape[:-1])
        w = inputs.weights_for(name, weights, y.shape)
        is_wrong = inputs.are_wrong(name, "labels", y, x.shape[-1], w)
        return self._add_hits(_is_among(x, y, self.k), w, is_wrong)

    def __repr__(self) -> str:
        return self._repr({"k": self.k})


@partial(jax.jit, static_argnums=2)  # one dispatch where called eagerly
def _is_among(scores: Array, labels: Array, k: int) -> Array:
    mine = jax.nn.one_hot(labels, scores.shape[-1], dtype=bool)
    score = jnp.max(jnp.where(mine, scores, -jnp.inf), axis=-1, keepdims=True)
    comes_before = jnp.cumsum(mine, axis=-1, dtype=jnp.int32) == 0
    is_ahead = (scores > score) | ((scores == score) & comes_before)
    return (jnp.sum(is_ahead, axis=-1) < k) & ~jnp.any(jnp.isnan(scores), axis=-1)
