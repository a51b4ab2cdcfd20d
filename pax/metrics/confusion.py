"""Which classes are taken for which."""

from __future__ import annotations

from functools import partial
from typing import Self

import jax
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import arguments
from pax.metrics import inputs, sums
from pax.metrics.metric import Metric


class ConfusionMatrix(Metric):
    """How often each class was taken for each: row i, column j counts label i predicted as j.

    Scores with a NaN predict nothing, and make all of it NaN.

    Args:
        num_classes: K; positive.
    Raises:
        ArgumentError: if num_classes is no positive integer.
    Example:
        >>> predictions, labels = jnp.array([0, 1, 1]), jnp.array([0, 1, 0])
        >>> print(pax.metrics.ConfusionMatrix(2).update(predictions, labels).compute())
        [[1. 1.]
         [0. 1.]]
    """

    _ndim = 2
    cells: sums.Sum

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        arguments.sizes("ConfusionMatrix", num_classes=num_classes)
        self.num_classes = int(num_classes)
        self.cells = sums.zeros((self.num_classes, self.num_classes))

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
            ArgumentError: if a class that counts is none of the K, where nothing is compiled.
            DtypeError: if labels are no integers.
            ShapeError: if the shapes do not fit together.
        """
        checked = inputs.predictions_and_labels(self, predictions, labels, weights)
        return self._plus(cells=_cells(*checked, self.num_classes))

    def compute(self) -> Float[Array, "..."]:
        """Returns the matrix, shape [K, K]; zeros before the first update."""
        return sums.value(self.cells)

    def __repr__(self) -> str:
        return self._repr({"num_classes": self.num_classes})


@partial(jax.jit, static_argnums=4)  # one dispatch where called eagerly
def _cells(
    guesses: Array, labels: Array, weights: Array | None, is_wrong: Array, num_classes: int
) -> sums.Sum:
    counts = sums.counted_at(labels * num_classes + guesses, num_classes**2, weights)
    square = (x.reshape(num_classes, num_classes) for x in sums.spoiled(counts, is_wrong))
    return sums.Sum(*square)
