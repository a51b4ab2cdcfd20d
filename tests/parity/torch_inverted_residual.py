"""MobileNetV2 and EfficientNet again, in torch and after the papers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from tests.parity.torch_resnet import BatchNorm

Activation = Callable[[Tensor], Tensor]


def multiple_of_8(channels: float) -> int:
    """Rounds to the nearest multiple of 8, which takes away no more than a tenth."""
    found = max(8, 8 * math.floor(channels / 8 + 0.5))
    return found if found >= 0.9 * channels else found + 8


class ConvNorm(nn.Module):
    """A convolution and its norm."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = BatchNorm(after)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class SqueezeExcite(nn.Module):
    """Scales the channels."""

    def __init__(self, channels: int, inside: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(channels, inside), nn.Linear(inside, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(F.silu(self.fc1(x.mean((2, 3))))).sigmoid()[:, :, None, None]


class Block(nn.Module):
    """An inverted residual block."""

    def __init__(
        self,
        before: int,
        inside: int,
        after: int,
        kernel: int,
        stride: int,
        activation: Activation,
        squeezes: bool,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.adds = stride == 1 and before == after
        self.expand = ConvNorm(before, inside, 1, 1, 1) if inside != before else None
        self.depthwise = ConvNorm(inside, inside, kernel, stride, inside)
        self.squeeze = SqueezeExcite(inside, max(1, before // 4)) if squeezes else None
        self.project = ConvNorm(inside, after, 1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else self.activation(self.expand(x))
        y = self.activation(self.depthwise(y))
        if self.squeeze is not None:
            y = self.squeeze(y)
        y = self.project(y)
        return x + y if self.adds else y


class Network(nn.Module):
    """Either network; stages are (expansion, channels, blocks, stride, kernel)."""

    def __init__(
        self,
        channels: int,
        classes: int,
        stages: Sequence[tuple[int, int, int, int, int]],
        *,
        efficient: bool,
        width: float = 1.0,
        depth: float = 1.0,
    ) -> None:
        super().__init__()
        self.activation: Activation = F.silu if efficient else F.relu6
        at = multiple_of_8(32 * width)
        self.stem = ConvNorm(channels, at, 3, 2, 1)
        self.blocks = nn.Sequential()
        for expansion, wanted, blocks, stride, kernel in stages:
            after = multiple_of_8(wanted * width)
            for i in range(math.ceil(blocks * depth)):
                inside = multiple_of_8(at * expansion) if efficient else at * expansion
                self.blocks.append(
                    Block(
                        at,
                        inside,
                        after,
                        kernel,
                        1 if i else stride,
                        self.activation,
                        efficient,
                    )
                )
                at = after
        last = 4 * at if efficient else multiple_of_8(1280 * max(width, 1))
        self.head = ConvNorm(at, last, 1, 1, 1)
        self.logits = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.activation(self.stem(x)))
        return self.logits(self.activation(self.head(x)).mean((2, 3)))
