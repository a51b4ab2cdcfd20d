"""Residual networks, in which each call takes and returns the state of the batch norms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from benchmarks import sizes as of


def keys_from(key: Array) -> Iterator[Array]:
    """Yields new keys without end."""
    while True:
        key, drawn = jax.random.split(key)
        yield drawn


class Unit(eqx.Module):
    """A convolution and a batch norm."""

    conv: eqx.nn.Conv2d
    norm: eqx.nn.BatchNorm

    def __init__(self, shape: of.Convolution, key: Array) -> None:
        self.conv = eqx.nn.Conv2d(
            shape.inputs,
            shape.outputs,
            shape.kernel,
            stride=shape.stride,
            padding=shape.kernel // 2,
            use_bias=False,
            key=key,
        )
        self.norm = eqx.nn.BatchNorm(
            shape.outputs, "batch", eps=of.EPSILON, momentum=of.NORM_DECAY, mode="batch"
        )

    def __call__(self, x: Array, state: eqx.nn.State) -> tuple[Array, eqx.nn.State]:
        return self.norm(self.conv(x), state)


class Block(eqx.Module):
    """relu(units(x) + shortcut(x))."""

    units: list[Unit]
    shortcut: Unit | None

    def __init__(self, block: of.Block, keys: Iterator[Array]) -> None:
        self.units = [Unit(shape, next(keys)) for shape in block.units]
        self.shortcut = None if block.shortcut is None else Unit(block.shortcut, next(keys))

    def __call__(self, x: Array, state: eqx.nn.State) -> tuple[Array, eqx.nn.State]:
        y = x
        for i, unit in enumerate(self.units):
            y, state = unit(y if i == 0 else jax.nn.relu(y), state)
        if self.shortcut is not None:
            x, state = self.shortcut(x, state)
        return jax.nn.relu(x + y), state


class ResNet(eqx.Module):
    """A unit, blocks, the mean over space, a dense layer."""

    has_state: ClassVar[bool] = True
    stem: Unit
    pool: eqx.nn.MaxPool2d | None
    blocks: list[Block]
    logits: eqx.nn.Linear

    def __init__(self, sizes: of.ResNet, key: Array) -> None:
        keys = keys_from(key)
        self.stem = Unit(sizes.stem, next(keys))
        self.pool = eqx.nn.MaxPool2d(3, 2, padding=1) if sizes.pool else None
        self.blocks = [Block(block, keys) for block in sizes.blocks()]
        self.logits = eqx.nn.Linear(sizes.channels[-1], sizes.classes, key=next(keys))

    def __call__(self, x: Array, state: eqx.nn.State) -> tuple[Array, eqx.nn.State]:
        x, state = self.stem(jnp.moveaxis(x, -1, 0), state)
        x = jax.nn.relu(x)
        if self.pool is not None:
            x = self.pool(x)
        for block in self.blocks:
            x, state = block(x, state)
        return self.logits(jnp.mean(x, axis=(1, 2))), state
