"""The residual networks again, in torch and after the papers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm2d):
    """torch's batch norm, but with averages that follow the rule of `pax`.

    The variance that enters them is the mean squared deviation, where torch's is larger by
    n / (n - 1); and the first batch replaces the initial averages.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        with torch.no_grad():
            variance, mean = torch.var_mean(x, (0, 2, 3), unbiased=False)
            weight = 0.1 if self.num_batches_tracked else 1.0
            self.running_mean += weight * (mean - self.running_mean)
            self.running_var += weight * (variance - self.running_var)
            self.num_batches_tracked += 1
        return nn.functional.batch_norm(x, None, None, self.weight, self.bias, True, eps=self.eps)


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def convolutions(inputs: int, outputs: int, stride: int, bottleneck: bool) -> list[nn.Conv2d]:
    """Returns the convolutions of a block; a bottleneck has its stride at the one of 3x3."""
    if not bottleneck:
        return [convolution(inputs, outputs, 3, stride), convolution(outputs, outputs, 3)]
    width = outputs // 4
    return [
        convolution(inputs, width, 1),
        convolution(width, width, 3, stride),
        convolution(width, outputs, 1),
    ]


class BlockV1(nn.Module):
    """A block of the first paper."""

    def __init__(self, inputs: int, outputs: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convolutions(inputs, outputs, stride, bottleneck))
        self.norms = nn.ModuleList(BatchNorm(conv.weight.shape[0]) for conv in self.convs)
        self.downsample = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.downsample.append(convolution(inputs, outputs, 1, stride))
            self.downsample.append(BatchNorm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv, norm in zip(self.convs[:-1], self.norms[:-1], strict=True):
            y = norm(conv(y)).relu()
        return (self.norms[-1](self.convs[-1](y)) + self.downsample(x)).relu()


class BlockV2(nn.Module):
    """A block of the second paper: norm and relu come first."""

    def __init__(self, inputs: int, outputs: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convolutions(inputs, outputs, stride, bottleneck))
        self.norms = nn.ModuleList(BatchNorm(conv.weight.shape[1]) for conv in self.convs)
        self.downsample = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.downsample.append(convolution(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norms[0](x).relu()
        shortcut = self.downsample(y) if len(self.downsample) else x
        y = self.convs[0](y)
        for norm, conv in zip(self.norms[1:], self.convs[1:], strict=True):
            y = conv(norm(y).relu())
        return y + shortcut


class ResNet(nn.Module):
    """A residual network of either version."""

    def __init__(
        self,
        input_channels: int,
        blocks_per_group: Sequence[int],
        num_classes: int,
        channels_per_group: Sequence[int],
        *,
        v2: bool,
        bottleneck: bool,
    ) -> None:
        super().__init__()
        block, channels = (BlockV2 if v2 else BlockV1), 64
        self.conv1 = convolution(input_channels, channels, 7, 2)
        self.bn1 = nn.Identity() if v2 else nn.Sequential(BatchNorm(channels), nn.ReLU())
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.groups = nn.ModuleList()
        for group, (blocks, outputs) in enumerate(
            zip(blocks_per_group, channels_per_group, strict=True)
        ):
            self.groups.append(nn.Sequential())
            for i in range(blocks):
                stride = 2 if i == 0 and group > 0 else 1
                self.groups[-1].append(block(channels, outputs, stride, bottleneck))
                channels = outputs
        self.last = nn.Sequential(BatchNorm(channels), nn.ReLU()) if v2 else nn.Identity()
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.bn1(self.conv1(x)))
        for group in self.groups:
            x = group(x)
        return self.fc(self.last(x).mean((2, 3)))


def arrays(net: ResNet, data_format: str) -> Iterator[tuple[str, Tensor]]:
    """Yields the tensors of a network by their path in `pax`, as views in its layout."""

    def conv(path: str, layer: Any) -> Iterator[tuple[str, Tensor]]:
        yield f"{path}.weight", layer.weight.data.permute(2, 3, 1, 0)

    def norm(path: str, layer: Any) -> Iterator[tuple[str, Tensor]]:
        shape = [-1 if axis == "C" else 1 for axis in data_format]
        yield f"{path}.scale", layer.weight.data.view(shape)
        yield f"{path}.offset", layer.bias.data.view(shape)
        yield f"{path}.ema_mean.averages", layer.running_mean.view(shape)
        yield f"{path}.ema_var.averages", layer.running_var.view(shape)

    yield from conv("initial_conv", net.conv1)
    for path, layer in (("initial_batchnorm", net.bn1), ("final_batchnorm", net.last)):
        if isinstance(layer, nn.Sequential):
            yield from norm(path, layer[0])
    for g, group in enumerate(net.groups):
        for b, block in enumerate(group):
            path = f"block_groups.{g}.blocks.{b}"
            for layer in block.downsample:
                is_conv = isinstance(layer, nn.Conv2d)
                name = "proj_conv" if is_conv else "proj_batchnorm"
                yield from (conv if is_conv else norm)(f"{path}.{name}", layer)
            for i, pair in enumerate(zip(block.convs, block.norms, strict=True)):
                yield from conv(f"{path}.layers.{i}.0", pair[0])
                yield from norm(f"{path}.layers.{i}.1", pair[1])
    yield "logits.weight", net.fc.weight.data.T
    yield "logits.bias", net.fc.bias.data


def load(net: ResNet, data_format: str, values: Mapping[str, np.ndarray]) -> None:
    """Copies arrays of `pax` into a network; all of them, into every tensor."""
    views = dict(arrays(net, data_format))
    assert views.keys() == values.keys()
    assert sum(view.numel() for view in views.values()) == sum(
        x.numel() for x in net.state_dict().values() if x.is_floating_point()
    )
    for path, view in views.items():
        assert view.shape == values[path].shape, path
        view.copy_(torch.tensor(values[path]))
