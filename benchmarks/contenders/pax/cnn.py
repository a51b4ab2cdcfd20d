"""The small convolutional network."""

from __future__ import annotations

import itertools

import jax
from jax import Array

import pax
from benchmarks import sizes as of


class CNN(pax.Module):
    """3x3 convolutions, each with ReLU and 2x2 max pooling; then two dense layers."""

    def __init__(self, sizes: of.CNN) -> None:
        super().__init__()
        pairs = itertools.pairwise((sizes.inputs, *sizes.channels))
        self.convs = [pax.Conv2D(*pair, 3) for pair in pairs]
        self.hidden = pax.Linear(sizes.flat(), sizes.hidden)
        self.logits = pax.Linear(sizes.hidden, sizes.classes)

    def __call__(self, x: Array) -> Array:
        for conv in self.convs:
            x = pax.max_pool(jax.nn.relu(conv(x)), 2, 2, "VALID")
        x = jax.nn.relu(self.hidden(x.reshape(x.shape[0], -1)))
        return self.logits(x)
