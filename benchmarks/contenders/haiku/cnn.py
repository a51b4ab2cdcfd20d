"""The small convolutional network."""

from __future__ import annotations

import haiku as hk
import jax
from jax import Array

from benchmarks import sizes as of


def cnn(sizes: of.CNN, x: Array, training: bool) -> Array:
    """3x3 convolutions, each with ReLU and 2x2 max pooling; then two dense layers."""
    for i, channels in enumerate(sizes.channels):
        x = jax.nn.relu(hk.Conv2D(channels, 3, name=f"conv{i}")(x))
        x = hk.max_pool(x, (2, 2, 1), (2, 2, 1), "VALID")
    x = jax.nn.relu(hk.Linear(sizes.hidden, name="hidden")(x.reshape(x.shape[0], -1)))
    return hk.Linear(sizes.classes, name="logits")(x)
