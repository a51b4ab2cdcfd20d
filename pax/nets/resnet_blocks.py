"""The residual blocks that a ResNet is made of."""

from __future__ import annotations

from typing import NamedTuple

import jax
from jaxtyping import Array

from pax._core import Module
from pax.nets.parts import Parts
from pax.nn import BatchNorm2D, Conv2D

#: A bottleneck block has this many times fewer channels inside.
NARROWING = 4


class BlockShape(NamedTuple):
    """What a block does to the shape of its input, and how."""

    in_channels: int
    out_channels: int
    stride: int
    bottleneck: bool
    projection: bool

    def convolutions(self) -> list[tuple[int, int, int, int]]:
        """Returns input channels, output channels, kernel size and stride of each convolution.

        The stride of a bottleneck is at its 3x3 convolution.
        """
        if self.bottleneck:
            width = self.out_channels // NARROWING
            return [
                (self.in_channels, width, 1, 1),
                (width, width, 3, self.stride),
                (width, self.out_channels, 1, 1),
            ]
        return [
            (self.in_channels, self.out_channels, 3, self.stride),
            (self.out_channels, self.out_channels, 3, 1),
        ]


class BlockV1(Module):
    """relu(f(x) + shortcut), with norm and relu after each convolution of f."""

    proj_conv: Conv2D | None
    proj_batchnorm: BatchNorm2D | None
    layers: tuple[tuple[Conv2D, BatchNorm2D], ...]

    def __init__(self, shape: BlockShape, parts: Parts) -> None:
        super().__init__()
        self.proj_conv = self.proj_batchnorm = None
        if shape.projection:
            self.proj_conv = parts.conv(shape.in_channels, shape.out_channels, 1, shape.stride)
            self.proj_batchnorm = parts.norm(shape.out_channels)
        self.layers = tuple(
            (parts.conv(*sizes), parts.norm(sizes[1])) for sizes in shape.convolutions()
        )

    def __call__(self, x: Array) -> Array:
        """Applies the block to x, shape [B, C, H, W] or [B, H, W, C]."""
        shortcut = x
        if self.proj_conv is not None and self.proj_batchnorm is not None:
            shortcut = self.proj_batchnorm(self.proj_conv(x))
        for i, (conv, norm) in enumerate(self.layers):
            x = norm(conv(x if i == 0 else jax.nn.relu(x)))
        return jax.nn.relu(x + shortcut)


class BlockV2(Module):
    """f(x) + shortcut, with norm and relu before each convolution of f."""

    proj_conv: Conv2D | None
    layers: tuple[tuple[Conv2D, BatchNorm2D], ...]

    def __init__(self, shape: BlockShape, parts: Parts) -> None:
        super().__init__()
        self.proj_conv = None
        if shape.projection:
            self.proj_conv = parts.conv(shape.in_channels, shape.out_channels, 1, shape.stride)
        self.layers = tuple(
            (parts.conv(*sizes), parts.norm(sizes[0])) for sizes in shape.convolutions()
        )

    def __call__(self, x: Array) -> Array:
        """Applies the block to x, shape [B, C, H, W] or [B, H, W, C]."""
        shortcut = x
        for i, (conv, norm) in enumerate(self.layers):
            x = jax.nn.relu(norm(x))
            if i == 0 and self.proj_conv is not None:
                shortcut = self.proj_conv(x)
            x = conv(x)
        return x + shortcut


class BlockGroup(Module):
    """Blocks one after the other; the first changes the shape."""

    blocks: list[BlockV1 | BlockV2]

    def __init__(
        self, num_blocks: int, first: BlockShape, parts: Parts, *, resnet_v2: bool
    ) -> None:
        super().__init__()
        block = BlockV2 if resnet_v2 else BlockV1
        others = first._replace(in_channels=first.out_channels, stride=1, projection=False)
        self.blocks = [block(first if i == 0 else others, parts) for i in range(num_blocks)]

    def __call__(self, x: Array) -> Array:
        """Applies the blocks to x, shape [B, C, H, W] or [B, H, W, C]."""
        for block in self.blocks:
            x = block(x)
        return x
