"""The VQ-VAE again, in torch and after the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Averages(nn.Module):
    """Holds moving averages."""

    def __init__(self, **averages: Tensor) -> None:
        super().__init__()
        for name, value in averages.items():
            self.register_buffer(name, value)


class VectorQuantizer(nn.Module):
    """Chooses the nearest vectors; the codebook is a ratio of moving averages."""

    def __init__(self, num_codes: int, code_dim: int, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.averages = nn.ModuleDict(
            {
                "averages": Averages(
                    counts=torch.ones(num_codes), sums=torch.zeros(num_codes, code_dim)
                )
            }
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        kept = self.averages["averages"]
        total = kept.counts.sum()
        counts = (kept.counts + 1e-5) / (total + 1e-5 * len(kept.counts)) * total
        codebook = kept.sums / counts[:, None]
        flat = x.flatten(0, -2)
        codes = torch.cdist(flat, codebook).argmin(1)
        y = codebook[codes].view_as(x)
        if self.training:
            chosen = nn.functional.one_hot(codes, len(counts)).to(x.dtype)
            with torch.no_grad():
                kept.counts.mul_(self.decay).add_((1 - self.decay) * chosen.sum(0))
                kept.sums.mul_(self.decay).add_((1 - self.decay) * chosen.T @ flat)
        loss = ((x - y.detach()) ** 2).mean(-1)
        return x + (y - x).detach(), codes.view(x.shape[:-1]), loss


class ResidualBlock(nn.Module):
    """Two convolutions beside a way around them."""

    def __init__(self, channels: int, inside: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inside, 3, padding=1)
        self.conv2 = nn.Conv2d(inside, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.conv1(x.relu()).relu())


class Encoder(nn.Module):
    """Images to vectors."""

    def __init__(self, channels: int, hidden: int, inside: int, blocks: int, dim: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [nn.Conv2d(channels, hidden, 4, 2, 1), nn.Conv2d(hidden, hidden, 4, 2, 1)]
        )
        self.blocks = nn.Sequential(*(ResidualBlock(hidden, inside) for _ in range(blocks)))
        self.last = nn.Conv2d(hidden, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.blocks(self.convs[1](self.convs[0](x).relu())).relu())


class Decoder(nn.Module):
    """Vectors to images."""

    def __init__(self, channels: int, hidden: int, inside: int, blocks: int, dim: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(dim, hidden, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(hidden, inside) for _ in range(blocks)))
        self.convs = nn.ModuleList(
            [
                nn.ConvTranspose2d(hidden, hidden, 4, 2, 1),
                nn.ConvTranspose2d(hidden, channels, 4, 2, 1),
            ]
        )

    def forward(self, y: Tensor) -> Tensor:
        return self.convs[1](self.convs[0](self.blocks(self.first(y)).relu()).relu())


class VQVAE(nn.Module):
    """All three."""

    def __init__(
        self,
        channels: int,
        hidden: int,
        inside: int,
        blocks: int,
        codes: int,
        dim: int,
        decay: float,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(channels, hidden, inside, blocks, dim)
        self.quantizer = VectorQuantizer(codes, dim, decay)
        self.decoder = Decoder(channels, hidden, inside, blocks, dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, codes, loss = self.quantizer(self.encoder(x).permute(0, 2, 3, 1))
        return self.decoder(y.permute(0, 3, 1, 2)), codes, loss
