"""The MLP-Mixer again, in torch and after the paper."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class DenseBlock(nn.Module):
    """Two dense layers."""

    def __init__(self, dim: int, inside: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(dim, inside), nn.Linear(inside, dim)])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[1](F.gelu(self.layers[0](x), approximate="tanh"))


class MixerBlock(nn.Module):
    """Mixes tokens, then channels."""

    def __init__(self, num_tokens: int, dim: int, tokens_dim: int, channels_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.tokens = DenseBlock(num_tokens, tokens_dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.channels = DenseBlock(dim, channels_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norm1(x).mT).mT
        return x + self.channels(self.norm2(x))


class MLPMixer(nn.Module):
    """All of it."""

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        tokens: int,
        patch: tuple[int, int],
        dim: int,
        layers: int,
        tokens_dim: int,
        channels_dim: int,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, dim, patch, patch)
        self.blocks = nn.Sequential(
            *(MixerBlock(tokens, dim, tokens_dim, channels_dim) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.logits = nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).flatten(2).mT
        return self.logits(self.norm(self.blocks(x)).mean(1))
