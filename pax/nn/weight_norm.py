"""Weights of a direction and a length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import pax.functional as F
from pax._core import Module, parameters_method
from pax.nn.weight_wrapper import WeightWrapper, not_zero, on_host


class WeightNorm(WeightWrapper):
    """Calls a layer with weights whose direction and length are learned apart.

    w = v / |v| * scale, with v the array that `layer` holds and the norm over all axes but `axis`.
    `scales` starts as |v|, so that at first nothing changes. `wrapped.layer.weight` is v;
    `wrapped.unwrap()` is the plain layer with w.

    Args:
        layer: any layer, or a network of them; called through the wrapper alone.
        weights: glob of the arrays to normalise over paths inside `layer`: "**.weight" means the
            `weight` of the layer and of every layer in it.
        axis: the axis whose entries have lengths of their own. The last counts the outputs of
            dense layers and convolutions; of transposed convolutions that is -2. None for one
            length in all.
        name: name of the module.
    Raises:
        ArgumentError: if there is no such array, or one cannot be normalised; it is named.
    Example:
        >>> net = pax.WeightNorm(pax.Linear(2, 3))
        >>> print(net.summary())
        WeightNorm(weights=**.weight, axis=-1)
        └── Linear(in_dim=2, out_dim=3, with_bias=True)
        >>> net.scales["weight"].shape, net(jnp.ones((4, 2))).shape
        ((3,), (4, 3))
    Source: Salimans and Kingma, "Weight normalization: a simple reparameterization to accelerate
        training of deep neural networks", 2016 (arXiv 1602.07868).
    """

    scales: dict[str, Array]
    parameters = parameters_method("scales")
    _whole_allowed = True

    def __init__(
        self,
        layer: Module,
        *,
        weights: str = "**.weight",
        axis: int | None = -1,
        name: str | None = None,
    ) -> None:
        super().__init__(layer, weights, axis, name=name)
        self.scales = {path: self._length(path, weight) for path, weight in self._chosen()}

    def _length(self, path: str, weight: Any) -> Array:
        """Returns the norms that a weight has, in its dtype."""
        kept = None if self.axis is None else self.axis % weight.ndim
        axes = tuple(i for i in range(weight.ndim) if i != kept)
        host = on_host(weight)
        if host is None:
            wide = jnp.asarray(weight, jnp.promote_types(weight.dtype, jnp.float32))
            return jnp.sqrt(jnp.sum(jnp.square(wide), axis=axes)).astype(weight.dtype)
        norms = np.asarray(np.sqrt(np.sum(np.square(host), axis=axes)))
        not_zero("WeightNorm", path, norms)
        return jax.device_put(norms.astype(weight.dtype))

    def _of(self, weights: Mapping[str, Array]) -> Mapping[str, Array]:
        self._check_built(weights, self.scales)
        return {
            path: F.weight_normalize(weight, self.scales[path], self.axis)
            for path, weight in weights.items()
        }
