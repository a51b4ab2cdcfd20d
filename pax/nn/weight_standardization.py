"""Weights of mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Array

import pax.functional as F
from pax._core import ArgumentError, Module, arguments
from pax.nn.weight_wrapper import WeightWrapper


class WeightStandardization(WeightWrapper):
    """Calls a layer with weights of mean 0 and variance 1 for each output.

    w = (weight - mean) / sqrt(variance + eps), with mean and mean squared deviation over all axes
    but `axis`. `wrapped.layer.weight` is the weight that is learned; `wrapped.unwrap()` is the
    plain layer with w. A normalisation should follow the layer: its outputs are no longer small.

    Args:
        layer: any layer, or a network of them; called through the wrapper alone.
        weights: glob of the arrays to standardise over paths inside `layer`: "**.weight" means
            the `weight` of the layer and of every layer in it.
        axis: the axis whose entries are standardised by themselves. The last counts the outputs
            of dense layers and convolutions; of transposed convolutions that is -2.
        eps: added to the variance.
        name: name of the module.
    Raises:
        ArgumentError: if there is no such array, or one cannot be standardised; it is named.
    Example:
        >>> net = pax.WeightStandardization(pax.Conv2D(3, 8, 3))
        >>> print(net(jnp.ones((1, 5, 5, 3))).shape, net.unwrap().weight.var((0, 1, 2)).round(3))
        (1, 5, 5, 8) [1. 1. 1. 1. 1. 1. 1. 1.]
    Source: Qiao et al., "Micro-batch training with batch-channel normalization and weight
        standardization", 2019 (arXiv 1903.10520).
    """

    def __init__(
        self,
        layer: Module,
        *,
        weights: str = "**.weight",
        axis: int = -1,
        eps: float = 1e-10,
        name: str | None = None,
    ) -> None:
        super().__init__(layer, weights, axis, name=name)
        self.eps = arguments.positive("WeightStandardization", "eps", eps)

    def _check(self, path: str, weight: Any) -> None:
        super()._check(path, weight)
        if weight.size == weight.shape[self.axis]:
            raise ArgumentError(
                f"WeightStandardization got {path} of shape {weight.shape}: one entry for each "
                "output, which is its own mean, so that nothing of it would be left.",
                "leave it out of weights, or name the axis of the outputs.",
            )

    def _of(self, weights: Mapping[str, Array]) -> Mapping[str, Array]:
        return {
            path: F.weight_standardize(weight, self.axis, self.eps)
            for path, weight in weights.items()
        }
