"""Metrics that are a mean over examples: of any values, of errors, of losses."""

from __future__ import annotations

from typing import Any, Self

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ShapeError, as_wide
from pax.losses import cross_entropy
from pax.metrics import inputs
from pax.metrics.weighted_mean import WeightedMean


class Mean(WeightedMean):
    """The weighted mean of values: sum w x / sum w.

    Example:
        >>> losses, mask = jnp.array([1.0, 2.0, jnp.nan]), jnp.array([True, True, False])
        >>> print(pax.metrics.Mean().update(losses, weights=mask).compute())
        1.5
    """

    def update(self, values: ArrayLike, *, weights: ArrayLike | None = None) -> Self:
        """Returns the metric with values added.

        Args:
            values: any shape [...], floating.
            weights: numbers or a mask, the shape of values or of its first axes. Values of
                weight 0 are not looked at.
        Raises:
            DtypeError: if values are not floating.
            ShapeError: if weights have another shape.
        """
        name = type(self).__name__
        x = as_wide(name, "values", values)
        return self._add_values(x, inputs.weights_for(name, weights, x.shape))


class _MeanError(WeightedMean):
    """A mean over the differences of predictions and targets."""

    def update(
        self, predictions: ArrayLike, targets: ArrayLike, *, weights: ArrayLike | None = None
    ) -> Self:
        """Returns the metric with a batch added.

        Args:
            predictions: any shape [...], floating.
            targets: the same shape, floating.
            weights: numbers or a mask, the shape of predictions or of its first axes. What has
                weight 0 is not looked at.
        Raises:
            DtypeError: if predictions or targets are not floating.
            ShapeError: if the shapes do not fit together.
        """
        name = type(self).__name__
        x, y = predictions_and_targets(name, predictions, targets)
        return self._add_values(self._error(x - y), inputs.weights_for(name, weights, x.shape))

    def _error(self, difference: Array) -> Array:
        raise NotImplementedError


class MeanSquaredError(_MeanError):
    """The mean of squared differences: sum w (x - y)^2 / sum w, over all elements.

    Example:
        >>> metric = pax.metrics.MeanSquaredError()
        >>> print(metric.update(jnp.array([1.0, 5.0]), jnp.array([2.0, 2.0])).compute())
        5.0
    """

    def _error(self, difference: Array) -> Array:
        return jnp.square(difference)


class MeanAbsoluteError(_MeanError):
    """The mean of absolute differences: sum w |x - y| / sum w, over all elements.

    Example:
        >>> metric = pax.metrics.MeanAbsoluteError()
        >>> print(metric.update(jnp.array([1.0, 5.0]), jnp.array([2.0, 2.0])).compute())
        2.0
    """

    def _error(self, difference: Array) -> Array:
        return jnp.abs(difference)


class Perplexity(WeightedMean):
    """The perplexity of predicted tokens: exp of their mean cross entropy.

    Example:
        >>> logits, tokens = jnp.zeros((2, 5, 7)), jnp.array([[1, 2, 3, 4, 0], [6, 5, 0, 0, 0]])
        >>> metric = pax.metrics.Perplexity().update(logits, tokens, weights=tokens != 0)
        >>> print(metric.compute().round(4))
        7.0
    """

    def update(
        self, logits: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None
    ) -> Self:
        """Returns the metric with a batch of tokens added.

        Args:
            logits: shape [..., K], one axis of classes, the last.
            labels: integers of shape [...], 0 ... K - 1.
            weights: numbers or a mask, the shape of labels or of its first axes. Tokens of weight 0
                are not looked at.
        Raises:
            ArgumentError: if a label that counts is no class, where nothing is compiled.
            DtypeError: if logits are not floating, or labels no integers.
            ShapeError: if the shapes do not fit together.
        """
        name = type(self).__name__
        x = inputs.scores_of_classes(name, logits)
        y = inputs.labels_for(name, labels, x.shape[:-1])
        w = inputs.weights_for(name, weights, y.shape)
        inputs.are_wrong(name, "labels", y, x.shape[-1], w)  # compiled, the loss says it with NaN
        return self._add_values(cross_entropy(x, y, reduction="none"), w)

    def compute(self) -> Float[Array, "..."]:
        """Returns the perplexity, a number; NaN before the first update."""
        return jnp.exp(super().compute())


def predictions_and_targets(name: str, predictions: Any, targets: Any) -> tuple[Array, Array]:
    """Returns two floating arrays of one shape and dtype."""
    x = as_wide(name, "predictions", predictions)
    y = as_wide(name, "targets", targets)
    if x.shape != y.shape:
        raise ShapeError(
            f"{name} got predictions of shape {x.shape} and targets of shape {y.shape}; expected "
            "one shape.",
            "reshape one of them: an axis of size 1 too many would compare all with all.",
        )
    dtype = x.dtype if x.dtype == y.dtype else jnp.float64
    return x.astype(dtype), y.astype(dtype)
