"""The blocks that a U-Net is made of; the channels are last in all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

import pax.initializers as initializers
from pax._core import Module
from pax.nn import Conv2D, GroupNorm, Linear, MultiHeadAttention, Upsample

#: The epsilon of the authors' program, for all norms.
EPS = 1e-6


class Parts(NamedTuple):
    """What all blocks of one network have in common."""

    groups: int
    condition_dim: int
    keys: Iterator[Any]

    def norm(self, channels: int) -> GroupNorm:
        """Returns a group norm."""
        return GroupNorm(self.groups, channels, eps=EPS)

    def conv(self, before: int, after: int, kernel: int = 3, **options: Any) -> Conv2D:
        """Returns a convolution."""
        return Conv2D(before, after, kernel, rng_key=next(self.keys), **options)


class Block(Module):
    """Two convolutions beside a way around them, told the time; then, perhaps, attention."""

    norm1: GroupNorm
    conv1: Conv2D
    condition: Linear
    norm2: GroupNorm
    conv2: Conv2D
    around: Conv2D | None
    attention: Attention | None

    def __init__(self, before: int, after: int, attends: bool, parts: Parts) -> None:
        super().__init__()
        self.norm1 = parts.norm(before)
        self.conv1 = parts.conv(before, after)
        self.condition = Linear(parts.condition_dim, after, rng_key=next(parts.keys))
        self.norm2 = parts.norm(after)
        self.conv2 = parts.conv(after, after, w_init=initializers.zeros)
        self.around = None if before == after else parts.conv(before, after, 1)
        self.attention = Attention(after, parts) if attends else None

    def __call__(self, x: Array, condition: Array, drop: Callable[[Array], Array]) -> Array:
        """Applies the block to x, shape [B, H, W, C], and a condition, shape [B, D]."""
        h = self.conv1(jax.nn.silu(self.norm1(x)))
        h = h + self.condition(condition).astype(h.dtype)[:, None, None]
        h = self.conv2(drop(jax.nn.silu(self.norm2(h))))
        x = x if self.around is None else self.around(x)
        x = x + h.astype(x.dtype)
        return x if self.attention is None else self.attention(x)


class Attention(Module):
    """What a place sees in all places, added to it."""

    norm: GroupNorm
    heads: MultiHeadAttention

    def __init__(self, channels: int, parts: Parts) -> None:
        super().__init__()
        self.norm = parts.norm(channels)
        heads = MultiHeadAttention(1, channels, 1.0, rng_key=next(parts.keys))
        last = Linear(channels, channels, w_init=initializers.zeros, rng_key=next(parts.keys))
        self.heads = heads.replace(output_projection=last)

    def __call__(self, x: Array) -> Array:
        """Applies attention to x, shape [B, H, W, C]."""
        y = self.norm(x).reshape(x.shape[0], x.shape[1] * x.shape[2], x.shape[3])
        return x + self.heads(y, y, y).reshape(x.shape).astype(x.dtype)


class Down(Module):
    """Blocks, then half of height and width."""

    blocks: list[Block]
    resize: Conv2D | None

    def __init__(self, blocks: list[Block], resize: Conv2D | None) -> None:
        super().__init__()
        self.blocks = blocks
        self.resize = resize

    def __call__(
        self, x: Array, condition: Array, drops: Iterator[Callable[[Array], Array]]
    ) -> list[Array]:
        """Returns what each layer gives for x, shape [B, H, W, C]."""
        links = []
        for block in self.blocks:
            x = block(x, condition, next(drops))
            links.append(x)
        return links if self.resize is None else [*links, self.resize(x)]


class Up(Module):
    """Blocks, each joined by what came down at its size; then twice height and width."""

    blocks: list[Block]
    enlarge: Upsample | None
    resize: Conv2D | None

    def __init__(self, blocks: list[Block], resize: Conv2D | None) -> None:
        super().__init__()
        self.blocks = blocks
        self.enlarge = None if resize is None else Upsample(2)
        self.resize = resize

    def __call__(
        self,
        x: Array,
        links: list[Array],
        condition: Array,
        drops: Iterator[Callable[[Array], Array]],
    ) -> Array:
        """Applies the blocks to x, shape [B, H, W, C], the last of these links first."""
        for block, link in zip(self.blocks, reversed(links), strict=True):
            x = block(jnp.concatenate([x, link.astype(x.dtype)], axis=-1), condition, next(drops))
        if self.enlarge is not None and self.resize is not None:
            x = self.resize(self.enlarge(x))
        return x
