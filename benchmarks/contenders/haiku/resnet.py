"""Residual networks."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from benchmarks import sizes as of


class Unit(hk.Module):
    """A convolution and a batch norm."""

    def __init__(self, shape: of.Convolution, name: str) -> None:
        super().__init__(name=name)
        half = shape.kernel // 2
        self.conv = hk.Conv2D(
            shape.outputs,
            shape.kernel,
            stride=shape.stride,
            padding=[(half, half)] * 2,
            with_bias=False,
            name="conv",
        )
        self.norm = hk.BatchNorm(
            create_scale=True,
            create_offset=True,
            decay_rate=of.NORM_DECAY,
            eps=of.EPSILON,
            name="norm",
        )

    def __call__(self, x: Array, training: bool) -> Array:
        return self.norm(self.conv(x), is_training=training)


class Block(hk.Module):
    """relu(units(x) + shortcut(x))."""

    def __init__(self, block: of.Block, name: str) -> None:
        super().__init__(name=name)
        self.units = [Unit(shape, f"unit{i}") for i, shape in enumerate(block.units)]
        self.shortcut = None if block.shortcut is None else Unit(block.shortcut, "shortcut")

    def __call__(self, x: Array, training: bool) -> Array:
        y = x
        for i, unit in enumerate(self.units):
            y = unit(y if i == 0 else jax.nn.relu(y), training)
        if self.shortcut is not None:
            x = self.shortcut(x, training)
        return jax.nn.relu(x + y)


def resnet(sizes: of.ResNet, x: Array, training: bool) -> Array:
    """A unit, blocks, the mean over space, a dense layer."""
    x = jax.nn.relu(Unit(sizes.stem, "stem")(x, training))
    if sizes.pool:  # zeros around what ReLU gave are never above the maximum
        x = jnp.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        x = hk.max_pool(x, (3, 3, 1), (2, 2, 1), "VALID")
    for i, block in enumerate(sizes.blocks()):
        x = Block(block, f"block{i}")(x, training)
    return hk.Linear(sizes.classes, name="logits")(jnp.mean(x, axis=(1, 2)))
