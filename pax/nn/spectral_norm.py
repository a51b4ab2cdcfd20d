"""Weights of spectral norm 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

import pax.functional as F
import pax.initializers as initializers
from pax._core import Module, arguments, key_or_next
from pax.nn.weight_wrapper import WeightWrapper, not_zero, on_host

#: Steps of the power iteration at the start, as in torch.
_FIRST_STEPS = 15


class SpectralNorm(WeightWrapper):
    """Calls a layer with weights divided by their largest singular value.

    w = weight / sigma with sigma = u^T M v, where M is the weight as a matrix, a row for each entry
    of `axis`. u and v approach its first singular vectors: in training mode each call takes
    `num_steps` of the power iteration, u = M v / |M v|, then v = M^T u / |M^T u|, before it
    computes sigma; in evaluation mode they stay. `wrapped.layer.weight` is the undivided weight;
    `wrapped.unwrap()` is the plain layer with w.

    Args:
        layer: any layer, or a network of them; called through the wrapper alone.
        weights: glob of the arrays to normalise over paths inside `layer`: "**.weight" means the
            `weight` of the layer and of every layer in it.
        axis: the axis of the rows. The last counts the outputs of dense layers and convolutions;
            of transposed convolutions that is -2.
        num_steps: steps of the power iteration in each training call.
        eps: the least that a vector is divided by.
        rng_key: random key of the first v; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if there is no such array, or one cannot be normalised; it is named.
    Example:
        >>> net = pax.SpectralNorm(pax.Linear(2, 3))
        >>> net, y = pax.purecall(net, jnp.ones((4, 2)))
        >>> net.u["weight"].shape, net.v["weight"].shape
        ((3,), (2,))
        >>> largest = jnp.linalg.norm(net.unwrap().weight, 2)
        >>> print(largest.round(3))
        1.0
    Source: Miyato et al., "Spectral normalization for generative adversarial networks", 2018
        (arXiv 1802.05957).
    """

    #: Left singular vectors, one entry for each of `axis`, by path; right ones.
    u: dict[str, Array]
    v: dict[str, Array]

    def __init__(
        self,
        layer: Module,
        *,
        weights: str = "**.weight",
        axis: int = -1,
        num_steps: int = 1,
        eps: float = 1e-12,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(layer, weights, axis, name=name)
        arguments.sizes("SpectralNorm", num_steps=num_steps)
        self.num_steps = num_steps
        self.eps = arguments.positive("SpectralNorm", "eps", eps)
        chosen = list(self._chosen())
        keys = _keys(key_or_next(rng_key), len(chosen))
        starts = {
            path: self._start(path, weight, key)
            for (path, weight), key in zip(chosen, keys, strict=True)
        }
        self.u = {path: u for path, (u, _) in starts.items()}
        self.v = {path: v for path, (_, v) in starts.items()}

    def _start(self, path: str, weight: Any, rng_key: Any) -> tuple[Array, Array]:
        """Returns vectors after some steps from a random v, in the dtype of the weight."""
        columns = weight.size // weight.shape[self.axis]
        v = initializers.normal(1.0)(rng_key, (columns,), weight.dtype)
        host = on_host(weight)
        if host is None:
            return F.power_iteration(weight, v, self.axis, _FIRST_STEPS, self.eps)
        matrix = np.moveaxis(host, self.axis, 0).reshape(-1, columns)
        not_zero("SpectralNorm", path, np.abs(matrix).max(keepdims=True))
        left, right = matrix[:, 0], np.asarray(v).astype(host.dtype)
        for _ in range(_FIRST_STEPS):
            left = _unit(matrix @ right, self.eps)
            right = _unit(left @ matrix, self.eps)
        return jax.device_put((left.astype(weight.dtype), right.astype(weight.dtype)))

    def _made(self, weights: Mapping[str, Array]) -> Mapping[str, Array]:
        self._check_built(weights, self.v)
        if self.training:
            steps = {
                path: F.power_iteration(w, self.v[path], self.axis, self.num_steps, self.eps)
                for path, w in weights.items()
            }
            self.u = {path: u for path, (u, _) in steps.items()}
            self.v = {path: v for path, (_, v) in steps.items()}
        return self._of(weights)

    def _of(self, weights: Mapping[str, Array]) -> Mapping[str, Array]:
        self._check_built(weights, self.v)
        return {
            path: F.spectral_normalize(weight, self.u[path], self.v[path], self.axis)
            for path, weight in weights.items()
        }

    def __repr__(self) -> str:
        return self._repr({"weights": self.weights, "axis": self.axis, "num_steps": self.num_steps})


def _unit(x: np.ndarray, eps: float) -> np.ndarray:
    """Returns the vector divided by its norm."""
    return x / max(float(np.linalg.norm(x)), eps)


def _keys(rng_key: Any, n: int) -> Any:
    """Returns a key for each array; no split where there is one."""
    return [rng_key] if n == 1 else jax.random.split(rng_key, n)
