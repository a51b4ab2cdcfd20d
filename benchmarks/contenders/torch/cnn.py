"""The small convolutional network."""

from __future__ import annotations

import itertools

from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import sizes as of


class CNN(nn.Module):
    """3x3 convolutions, each with ReLU and 2x2 max pooling; then two dense layers."""

    def __init__(self, sizes: of.CNN) -> None:
        super().__init__()
        pairs = itertools.pairwise((sizes.inputs, *sizes.channels))
        self.convs = nn.ModuleList(nn.Conv2d(*pair, 3, padding=1) for pair in pairs)
        self.hidden = nn.Linear(sizes.flat(), sizes.hidden)
        self.logits = nn.Linear(sizes.hidden, sizes.classes)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.max_pool2d(F.relu(conv(x)), 2)
        return self.logits(F.relu(self.hidden(x.flatten(1))))
