"""What all metrics are that divide one sum by the weight of the examples."""

from __future__ import annotations

from typing import Self

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from pax.metrics import sums
from pax.metrics.metric import Metric


class WeightedMean(Metric):
    """The mean over examples: sum w x / sum w."""

    total: sums.Sum
    weight: sums.Sum

    def __init__(self) -> None:
        super().__init__()
        self.total, self.weight = sums.zeros(), sums.zeros()

    def compute(self) -> Float[Array, "..."]:
        """Returns the mean, a number; NaN before the first update."""
        return _ratio(self.total, self.weight)

    def _add_values(self, values: Array, weights: Array | None) -> Self:
        total, weight = _of_values(values, weights)
        return self._plus(total=total, weight=weight)

    def _add_hits(self, is_hit: Array, weights: Array | None, is_wrong: Array) -> Self:
        """Adds truth values; the mean is NaN for good where something is wrong."""
        total, weight = _of_hits(is_hit, weights, is_wrong)
        return self._plus(total=total, weight=weight)


@jax.jit  # one dispatch where called eagerly
def _of_values(values: Array, weights: Array | None) -> tuple[sums.Sum, sums.Sum]:
    return sums.summed(values, weights), sums.weight_of(values.shape, weights)


@jax.jit  # one dispatch where called eagerly
def _of_hits(is_hit: Array, weights: Array | None, is_wrong: Array) -> tuple[sums.Sum, sums.Sum]:
    hits = sums.spoiled(sums.counted(is_hit, weights), is_wrong)
    return hits, sums.weight_of(is_hit.shape, weights)


@jax.jit  # one dispatch where called eagerly
def _ratio(a: sums.Sum, b: sums.Sum) -> Array:
    return jnp.divide(sums.value(a), sums.value(b))
