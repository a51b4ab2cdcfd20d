"""The plain models of dense layers, and the one that does nothing."""

from __future__ import annotations

import itertools

from flax import nnx
from jax import Array

from benchmarks import sizes as of


class Identity(nnx.Module):
    """Gives back its input."""

    def __init__(self, sizes: of.Identity, rngs: nnx.Rngs) -> None:
        pass

    def __call__(self, x: Array) -> Array:
        return x


class Dense(nnx.Module):
    """Square dense layers one after the other."""

    def __init__(self, sizes: of.Dense, rngs: nnx.Rngs) -> None:
        layers = [nnx.Linear(sizes.width, sizes.width, rngs=rngs) for _ in range(sizes.depth)]
        self.layers = nnx.List(layers)

    def __call__(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer(x)
        return x


class MLP(nnx.Module):
    """Dense layers with ReLU between them."""

    def __init__(self, sizes: of.MLP, rngs: nnx.Rngs) -> None:
        pairs = itertools.pairwise(sizes.widths())
        self.layers = nnx.List([nnx.Linear(*pair, rngs=rngs) for pair in pairs])

    def __call__(self, x: Array) -> Array:
        for i, layer in enumerate(self.layers):
            x = layer(x if i == 0 else nnx.relu(x))
        return x
