"""Residual networks."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import sizes as of


class Unit(nn.Module):
    """A convolution and a batch norm."""

    def __init__(self, shape: of.Convolution) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            shape.inputs,
            shape.outputs,
            shape.kernel,
            stride=shape.stride,
            padding=shape.kernel // 2,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(shape.outputs, eps=of.EPSILON, momentum=1 - of.NORM_DECAY)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class Block(nn.Module):
    """relu(units(x) + shortcut(x))."""

    def __init__(self, block: of.Block) -> None:
        super().__init__()
        self.units = nn.ModuleList(Unit(shape) for shape in block.units)
        self.shortcut = nn.Identity() if block.shortcut is None else Unit(block.shortcut)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i, unit in enumerate(self.units):
            y = unit(y if i == 0 else F.relu(y))
        return F.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """A unit, blocks, the mean over space, a dense layer."""

    def __init__(self, sizes: of.ResNet) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(3, 2, padding=1) if sizes.pool else nn.Identity()
        self.stem = Unit(sizes.stem)
        self.blocks = nn.ModuleList(Block(block) for block in sizes.blocks())
        self.logits = nn.Linear(sizes.channels[-1], sizes.classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return self.logits(x.mean(dim=(2, 3)))
