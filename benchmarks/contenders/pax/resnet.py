"""Residual networks."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

import pax
from benchmarks import sizes as of


class Unit(pax.Module):
    """A convolution and a batch norm."""

    def __init__(self, shape: of.Convolution) -> None:
        super().__init__()
        half = shape.kernel // 2
        self.conv = pax.Conv2D(
            shape.inputs,
            shape.outputs,
            shape.kernel,
            stride=shape.stride,
            padding=[(half, half)] * 2,
            with_bias=False,
        )
        self.norm = pax.BatchNorm2D(shape.outputs, decay_rate=of.NORM_DECAY, eps=of.EPSILON)

    def __call__(self, x: Array) -> Array:
        return self.norm(self.conv(x))


class Block(pax.Module):
    """relu(units(x) + shortcut(x))."""

    def __init__(self, block: of.Block) -> None:
        super().__init__()
        self.units = [Unit(shape) for shape in block.units]
        self.shortcut = pax.Identity() if block.shortcut is None else Unit(block.shortcut)

    def __call__(self, x: Array) -> Array:
        y = x
        for i, unit in enumerate(self.units):
            y = unit(y if i == 0 else jax.nn.relu(y))
        return jax.nn.relu(y + self.shortcut(x))


class ResNet(pax.Module):
    """A unit, blocks, the mean over space, a dense layer."""

    def __init__(self, sizes: of.ResNet) -> None:
        super().__init__()
        self.pool = sizes.pool
        self.stem = Unit(sizes.stem)
        self.blocks = [Block(block) for block in sizes.blocks()]
        self.logits = pax.Linear(sizes.channels[-1], sizes.classes)

    def __call__(self, x: Array) -> Array:
        x = jax.nn.relu(self.stem(x))
        if self.pool:  # zeros around what ReLU gave are never above the maximum
            x = jnp.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
            x = pax.max_pool(x, 3, 2, "VALID")
        for block in self.blocks:
            x = block(x)
        return self.logits(x.mean(axis=(1, 2)))
