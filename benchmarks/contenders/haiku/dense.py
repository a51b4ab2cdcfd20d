"""The plain models of dense layers, and the one that does nothing."""

from __future__ import annotations

import haiku as hk
from jax import Array

from benchmarks import sizes as of


def identity(sizes: of.Identity, x: Array, training: bool) -> Array:
    return x


def dense(sizes: of.Dense, x: Array, training: bool) -> Array:
    for _ in range(sizes.depth):
        x = hk.Linear(sizes.width)(x)
    return x


def mlp(sizes: of.MLP, x: Array, training: bool) -> Array:
    return hk.nets.MLP(sizes.widths()[1:])(x)
