"""ConvNeXt again, in torch and after the paper."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """Two dense layers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[1](nn.functional.gelu(self.layers[0](x)))


class Block(nn.Module):
    """A block, with the channels second outside and last inside."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MLP(dim)
        self.scale = nn.Parameter(torch.full((dim,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x).permute(0, 2, 3, 1)
        y = self.scale * self.mlp(self.norm(y))
        return x + y.permute(0, 3, 1, 2)


class Group(nn.Module):
    """Perhaps half of height and width, then blocks."""

    def __init__(self, blocks: int, before: int | None, dim: int) -> None:
        super().__init__()
        self.shrinks = before is not None
        if before is not None:
            self.downsample_norm = nn.LayerNorm(before, eps=1e-6)
            self.downsample = nn.Conv2d(before, dim, 2, 2)
        self.blocks = nn.Sequential(*(Block(dim) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        if self.shrinks:
            x = self.downsample(self.downsample_norm(x.movedim(1, -1)).movedim(-1, 1))
        return self.blocks(x)


class ConvNeXt(nn.Module):
    """All of it."""

    def __init__(
        self, channels: int, classes: int, blocks: Sequence[int], dims: Sequence[int]
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, dims[0], 4, 4)
        self.stem_norm = nn.LayerNorm(dims[0], eps=1e-6)
        before = (None, *dims[:-1])
        self.groups = nn.Sequential(
            *(Group(*sizes) for sizes in zip(blocks, before, dims, strict=True))
        )
        self.norm = nn.LayerNorm(dims[-1], eps=1e-6)
        self.logits = nn.Linear(dims[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem_norm(self.stem(x).movedim(1, -1)).movedim(-1, 1)
        return self.logits(self.norm(self.groups(x).mean((2, 3))))
