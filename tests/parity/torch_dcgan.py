"""The networks of a DCGAN again, in torch and after the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.parity.torch_resnet import BatchNorm


class Generator(nn.Module):
    """Draws images of 16x16."""

    def __init__(self, latent_dim: int, channels: int, base: int) -> None:
        super().__init__()
        self.project = nn.Linear(latent_dim, 16 * 2 * base, bias=False)
        self.norms = nn.ModuleList([BatchNorm(2 * base), BatchNorm(base)])
        self.convs = nn.ModuleList(
            [
                nn.ConvTranspose2d(2 * base, base, 4, 2, 1, bias=False),
                nn.ConvTranspose2d(base, channels, 4, 2, 1),
            ]
        )

    def forward(self, z: Tensor) -> Tensor:
        y = self.project(z).unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2)
        y = self.convs[0](self.norms[0](y).relu())
        return torch.tanh(self.convs[1](self.norms[1](y).relu()))


class Discriminator(nn.Module):
    """Scores images of 16x16."""

    def __init__(self, channels: int, base: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [nn.Conv2d(channels, base, 4, 2, 1), nn.Conv2d(base, 2 * base, 4, 2, 1, bias=False)]
        )
        self.norms = nn.ModuleList([BatchNorm(2 * base)])
        self.score = nn.Linear(16 * 2 * base, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.leaky_relu(self.convs[0](x), 0.2)
        y = nn.functional.leaky_relu(self.norms[0](self.convs[1](y)), 0.2)
        return self.score(y.permute(0, 2, 3, 1).flatten(1)).squeeze(1)
