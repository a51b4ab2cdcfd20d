"""The small convolutional network."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from benchmarks import sizes as of


class CNN(eqx.Module):
    """3x3 convolutions, each with ReLU and 2x2 max pooling; then two dense layers."""

    convs: list[eqx.nn.Conv2d]
    pool: eqx.nn.MaxPool2d
    hidden: eqx.nn.Linear
    logits: eqx.nn.Linear

    def __init__(self, sizes: of.CNN, key: Array) -> None:
        keys = iter(jax.random.split(key, len(sizes.channels) + 2))
        pairs = itertools.pairwise((sizes.inputs, *sizes.channels))
        self.convs = [eqx.nn.Conv2d(*pair, 3, padding=1, key=next(keys)) for pair in pairs]
        self.pool = eqx.nn.MaxPool2d(2, 2)
        self.hidden = eqx.nn.Linear(sizes.flat(), sizes.hidden, key=next(keys))
        self.logits = eqx.nn.Linear(sizes.hidden, sizes.classes, key=next(keys))

    def __call__(self, x: Array) -> Array:
        x = jnp.moveaxis(x, -1, 0)
        for conv in self.convs:
            x = self.pool(jax.nn.relu(conv(x)))
        return self.logits(jax.nn.relu(self.hidden(x.reshape(-1))))
