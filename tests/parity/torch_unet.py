"""The U-Net again, in torch and after the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MLP(nn.Module):
    """Two dense layers, silu between them."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(inputs, outputs), nn.Linear(outputs, outputs)])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[1](F.silu(self.layers[0](x)))


class Heads(nn.Module):
    """Attention of one head."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query_projection, self.key_projection = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.value_projection, self.output_projection = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.query_projection(x) @ self.key_projection(x).mT / math.sqrt(x.shape[-1])
        return self.output_projection(scores.softmax(-1) @ self.value_projection(x))


class Attention(nn.Module):
    """Attention over all places."""

    def __init__(self, dim: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, dim, eps=1e-6)
        self.heads = Heads(dim)

    def forward(self, x: Tensor) -> Tensor:
        y = self.heads(self.norm(x).flatten(2).mT)
        return x + y.mT.unflatten(2, x.shape[2:])


class Block(nn.Module):
    """A residual block that is told the time."""

    def __init__(self, before: int, after: int, attends: bool, groups: int, told: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, before, eps=1e-6)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.condition = nn.Linear(told, after)
        self.norm2 = nn.GroupNorm(groups, after, eps=1e-6)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.around = nn.Conv2d(before, after, 1) if before != after else nn.Identity()
        self.attention = Attention(after, groups) if attends else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x))) + self.condition(told)[:, :, None, None]
        return self.attention(self.around(x) + self.conv2(F.silu(self.norm2(h))))


class Level(nn.Module):
    """Blocks of one size, and perhaps the convolution to the next."""

    def __init__(self, blocks: list[Block], resize: nn.Conv2d | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.resize = resize


class UNet(nn.Module):
    """All of it."""

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        base: int,
        multipliers: Sequence[int],
        blocks: int,
        attention: Sequence[int],
        groups: int,
    ) -> None:
        super().__init__()
        self.base = base
        rest = groups, 4 * base
        self.time_mlp = MLP(base, 4 * base)
        self.stem = nn.Conv2d(channels, base, 3, padding=1)
        at, links = base, [base]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, multiplier in enumerate(multipliers):
            made = []
            for _ in range(blocks):
                made.append(Block(at, base * multiplier, level in attention, *rest))
                at = base * multiplier
                links.append(at)
            resize = None
            if level < len(multipliers) - 1:
                resize = nn.Conv2d(at, at, 3, 2)
                links.append(at)
            self.down.append(Level(made, resize))
        self.middle = nn.ModuleList([Block(at, at, True, *rest), Block(at, at, False, *rest)])
        for level in range(len(multipliers))[::-1]:
            made = []
            for _ in range(blocks + 1):
                after = base * multipliers[level]
                made.append(Block(at + links.pop(), after, level in attention, *rest))
                at = after
            self.up.append(Level(made, nn.Conv2d(at, at, 3, padding=1) if level else None))
        self.norm = nn.GroupNorm(groups, at, eps=1e-6)
        self.head = nn.Conv2d(at, outputs, 3, padding=1)

    def forward(self, x: Tensor, time: Tensor, condition: Tensor | None = None) -> Tensor:
        half = self.base // 2
        frequencies = 10_000.0 ** (-torch.arange(half, dtype=x.dtype) / (half - 1))
        angles = time[:, None] * frequencies
        told = self.time_mlp(torch.cat([angles.sin(), angles.cos()], 1))
        told = F.silu(told if condition is None else told + condition)
        x = self.stem(x)
        links = [x]
        for level in self.down:
            for block in level.blocks:
                x = block(x, told)
                links.append(x)
            if level.resize is not None:
                x = level.resize(F.pad(x, (0, 1, 0, 1)))
                links.append(x)
        for block in self.middle:
            x = block(x, told)
        for level in self.up:
            for block in level.blocks:
                x = block(torch.cat([x, links.pop()], 1), told)
            if level.resize is not None:
                x = level.resize(F.interpolate(x, scale_factor=2, mode="nearest"))
        return self.head(F.silu(self.norm(x)))
