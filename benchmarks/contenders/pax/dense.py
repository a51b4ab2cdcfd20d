"""The plain models of dense layers, and the one that does nothing."""

from __future__ import annotations

import itertools

import jax
from jax import Array

import pax
from benchmarks import sizes as of


def identity(sizes: of.Identity) -> pax.Identity:
    return pax.Identity()


class Dense(pax.Module):
    """Square dense layers one after the other."""

    def __init__(self, sizes: of.Dense) -> None:
        super().__init__()
        self.layers = [pax.Linear(sizes.width, sizes.width) for _ in range(sizes.depth)]

    def __call__(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer(x)
        return x


class MLP(pax.Module):
    """Dense layers with ReLU between them."""

    def __init__(self, sizes: of.MLP) -> None:
        super().__init__()
        self.layers = [pax.Linear(*pair) for pair in itertools.pairwise(sizes.widths())]

    def __call__(self, x: Array) -> Array:
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        return self.layers[-1](x)
