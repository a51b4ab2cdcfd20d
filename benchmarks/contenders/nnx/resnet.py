"""Residual networks."""

from __future__ import annotations

from flax import nnx
from jax import Array

from benchmarks import sizes as of


class Unit(nnx.Module):
    """A convolution and a batch norm."""

    def __init__(self, shape: of.Convolution, rngs: nnx.Rngs) -> None:
        half = shape.kernel // 2
        self.conv = nnx.Conv(
            shape.inputs,
            shape.outputs,
            (shape.kernel, shape.kernel),
            strides=shape.stride,
            padding=[(half, half)] * 2,
            use_bias=False,
            rngs=rngs,
        )
        self.norm = nnx.BatchNorm(
            shape.outputs, momentum=of.NORM_DECAY, epsilon=of.EPSILON, rngs=rngs
        )

    def __call__(self, x: Array) -> Array:
        return self.norm(self.conv(x))


class Block(nnx.Module):
    """relu(units(x) + shortcut(x))."""

    def __init__(self, block: of.Block, rngs: nnx.Rngs) -> None:
        self.units = nnx.List([Unit(shape, rngs) for shape in block.units])
        self.shortcut = nnx.identity if block.shortcut is None else Unit(block.shortcut, rngs)

    def __call__(self, x: Array) -> Array:
        y = x
        for i, unit in enumerate(self.units):
            y = unit(y if i == 0 else nnx.relu(y))
        return nnx.relu(y + self.shortcut(x))


class ResNet(nnx.Module):
    """A unit, blocks, the mean over space, a dense layer."""

    def __init__(self, sizes: of.ResNet, rngs: nnx.Rngs) -> None:
        self.pool = sizes.pool
        self.stem = Unit(sizes.stem, rngs)
        self.blocks = nnx.List([Block(block, rngs) for block in sizes.blocks()])
        self.logits = nnx.Linear(sizes.channels[-1], sizes.classes, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        x = nnx.relu(self.stem(x))
        if self.pool:
            x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        for block in self.blocks:
            x = block(x)
        return self.logits(x.mean(axis=(1, 2)))
