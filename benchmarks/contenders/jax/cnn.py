"""The small convolutional network."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import Array, lax

from benchmarks import sizes as of
from benchmarks.contenders.jax.dense import dense, dense_init
from benchmarks.contenders.jax.model import Params, stateless

he_normal = jax.nn.initializers.he_normal()


def conv_init(key: Array, inputs: int, outputs: int, kernel: int) -> Params:
    return {"weight": he_normal(key, (kernel, kernel, inputs, outputs))}


def conv(params: Params, x: Array, stride: int = 1) -> Array:
    half = params["weight"].shape[0] // 2
    return lax.conv_general_dilated(
        x,
        params["weight"],
        window_strides=(stride, stride),
        padding=[(half, half)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def max_pool(x: Array, window: int, padding: int = 0) -> Array:
    """Takes the maximum of windows at every second place."""
    pairs = [(0, 0), (padding, padding), (padding, padding), (0, 0)]
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, window, window, 1), (1, 2, 2, 1), pairs)


def init(sizes: of.CNN, keys: Iterator[Array]) -> Params:
    pairs = itertools.pairwise((sizes.inputs, *sizes.channels))
    return {
        "convs": [conv_init(next(keys), *pair, 3) | {"bias": jnp.zeros(pair[1])} for pair in pairs],
        "hidden": dense_init(next(keys), sizes.flat(), sizes.hidden),
        "logits": dense_init(next(keys), sizes.hidden, sizes.classes),
    }


def apply(sizes: of.CNN, params: Params, x: Array) -> Array:
    for layer in params["convs"]:
        x = max_pool(jax.nn.relu(conv(layer, x) + layer["bias"]), 2)
    x = jax.nn.relu(dense(params["hidden"], x.reshape(x.shape[0], -1)))
    return dense(params["logits"], x)


CNN = stateless(init, apply)
