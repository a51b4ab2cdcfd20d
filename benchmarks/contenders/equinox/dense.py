"""The plain models of dense layers, and the one that does nothing."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
from jax import Array

from benchmarks import sizes as of


def identity(sizes: of.Identity, key: Array) -> eqx.Module:
    return eqx.nn.Identity()


class Dense(eqx.Module):
    """Square dense layers one after the other."""

    layers: list[eqx.nn.Linear]

    def __init__(self, sizes: of.Dense, key: Array) -> None:
        keys = jax.random.split(key, sizes.depth)
        self.layers = [eqx.nn.Linear(sizes.width, sizes.width, key=k) for k in keys]

    def __call__(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer(x)
        return x


class MLP(eqx.Module):
    """Dense layers with ReLU between them."""

    layers: list[eqx.nn.Linear]

    def __init__(self, sizes: of.MLP, key: Array) -> None:
        keys = jax.random.split(key, sizes.depth)
        pairs = itertools.pairwise(sizes.widths())
        self.layers = [eqx.nn.Linear(*pair, key=k) for pair, k in zip(pairs, keys, strict=True)]

    def __call__(self, x: Array) -> Array:
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        return self.layers[-1](x)
