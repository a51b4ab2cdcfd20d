"""The share of the variance that predictions explain."""

from __future__ import annotations

from typing import Self

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax.metrics import inputs, sums
from pax.metrics.mean import predictions_and_targets
from pax.metrics.metric import Metric


class R2Score(Metric):
    """The coefficient of determination: 1 - sum w (y - x)^2 / sum w (y - mean of y)^2.

    x are the predictions, y the targets, all elements of one variable; for several outputs
    `jax.vmap` keeps a metric for each. Predicting the mean gives 0. Targets far from 0 cost no
    accuracy but that of their own digits.

    Example:
        >>> x, y = jnp.array([1.0, 2.0, 4.0]), jnp.array([1.0, 2.0, 3.0])
        >>> print(pax.metrics.R2Score().update(x, y).compute())
        0.5
    """

    weight: sums.Sum
    mean: sums.Sum
    #: The sum of w (y - mean)^2, that of all targets added so far.
    spread: sums.Sum
    residuals: sums.Sum

    def __init__(self) -> None:
        super().__init__()
        for part in ("weight", "mean", "spread", "residuals"):
            setattr(self, part, sums.zeros())

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
        x, y = predictions_and_targets("R2Score", predictions, targets)
        w = inputs.weights_for("R2Score", weights, x.shape)
        return self._plus(**_of_batch(x, y, w))

    def compute(self) -> Float[Array, "..."]:
        """Returns the score, a number; NaN before the first update and for equal targets."""
        return _score(self.residuals, self.spread)

    @staticmethod
    def _merged(a: dict[str, sums.Sum], b: dict[str, sums.Sum]) -> dict[str, sums.Sum]:
        return _of_both(a, b)


@jax.jit  # one dispatch where called eagerly
def _of_batch(x: Array, y: Array, weights: Array | None) -> dict[str, sums.Sum]:
    if weights is not None:
        x, y = (jnp.where(inputs.counts(weights), a, 0) for a in (x, y))
    weight = sums.weight_of(y.shape, weights)
    n = jnp.where(weight.high == 0, 1, weight.high)
    mean = sums.summed(y, weights).high / n
    off = y - mean.astype(y.dtype)  # its own mean is what rounding took from that of y
    rest = sums.summed(off, weights)
    spread = sums.summed(jnp.square(off), weights)
    return {
        "weight": weight,
        "mean": sums.plus(sums.of_floats(mean), sums.of_floats(rest.high / n)),
        "spread": sums.plus(spread, sums.of_floats(-jnp.square(rest.high) / n)),
        "residuals": sums.summed(jnp.square(y - x), weights),
    }


@jax.jit  # one dispatch where called eagerly
def _of_both(a: dict[str, sums.Sum], b: dict[str, sums.Sum]) -> dict[str, sums.Sum]:
    """Returns the parts of both, from the distance of their means.

    Squares of targets far from 0 would leave no digits for how they differ.

    Source: Chan et al., "Updating formulae and a pairwise algorithm for computing sample
        variances", 1982.
    """
    added = {name: sums.plus(a[name], b[name]) for name in ("weight", "spread", "residuals")}
    n = added["weight"].high
    share = b["weight"].high / jnp.where(n == 0, 1, n)
    apart = sums.plus(b["mean"], sums.Sum(-a["mean"].high, -a["mean"].low))
    between = jnp.square(apart.high) * a["weight"].high * share
    return added | {
        "mean": sums.plus(a["mean"], sums.Sum(apart.high * share, apart.low * share)),
        "spread": sums.plus(added["spread"], sums.of_floats(between)),
    }


@jax.jit  # one dispatch where called eagerly
def _score(residuals: sums.Sum, spread: sums.Sum) -> Array:
    return 1 - sums.value(residuals) / sums.value(spread)
