"""The small convolutional network."""

from __future__ import annotations

import itertools

from flax import nnx
from jax import Array

from benchmarks import sizes as of


class CNN(nnx.Module):
    """3x3 convolutions, each with ReLU and 2x2 max pooling; then two dense layers."""

    def __init__(self, sizes: of.CNN, rngs: nnx.Rngs) -> None:
        pairs = itertools.pairwise((sizes.inputs, *sizes.channels))
        self.convs = nnx.List([nnx.Conv(*pair, (3, 3), rngs=rngs) for pair in pairs])
        self.hidden = nnx.Linear(sizes.flat(), sizes.hidden, rngs=rngs)
        self.logits = nnx.Linear(sizes.hidden, sizes.classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        for conv in self.convs:
            x = nnx.max_pool(nnx.relu(conv(x)), (2, 2), strides=(2, 2))
        return self.logits(nnx.relu(self.hidden(x.reshape(x.shape[0], -1))))
