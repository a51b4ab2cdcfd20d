"""Dense layers, the plain models of them, and a model that does nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import Array

from benchmarks import sizes as of
from benchmarks.contenders.jax.model import Params, stateless

lecun_normal = jax.nn.initializers.lecun_normal()


def dense_init(key: Array, inputs: int, outputs: int) -> Params:
    return {"weight": lecun_normal(key, (inputs, outputs)), "bias": jnp.zeros(outputs)}


def dense(params: Params, x: Array) -> Array:
    return x @ params["weight"] + params["bias"]


def chain_init(sizes: of.Dense, keys: Iterator[Array]) -> Params:
    layers = [dense_init(next(keys), sizes.width, sizes.width) for _ in range(sizes.depth)]
    return {"layers": layers}


def chain(sizes: of.Dense, params: Params, x: Array) -> Array:
    for layer in params["layers"]:
        x = dense(layer, x)
    return x


def mlp_init(sizes: of.MLP, keys: Iterator[Array]) -> Params:
    pairs = itertools.pairwise(sizes.widths())
    return {"layers": [dense_init(next(keys), *pair) for pair in pairs]}


def mlp(sizes: of.MLP, params: Params, x: Array) -> Array:
    *layers, last = params["layers"]
    for layer in layers:
        x = jax.nn.relu(dense(layer, x))
    return dense(last, x)


IDENTITY = stateless(lambda sizes, keys: {}, lambda sizes, params, x: x)
DENSE = stateless(chain_init, chain)
MLP = stateless(mlp_init, mlp)
