"""The Transformer."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import sizes as of


class Attention(nn.Module):
    """Causal attention with several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, T, K]
            for layer in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.output(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Attention, then a dense block; each adds to its input."""

    def __init__(self, sizes: of.Transformer) -> None:
        super().__init__()
        width, wide = sizes.width, sizes.widening * sizes.width
        self.attention_norm = nn.LayerNorm(width, eps=of.EPSILON)
        self.attention = Attention(width, sizes.heads)
        self.dense_norm = nn.LayerNorm(width, eps=of.EPSILON)
        self.fc1 = nn.Linear(width, wide)
        self.fc2 = nn.Linear(wide, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.fc2(F.gelu(self.fc1(self.dense_norm(x)), approximate="tanh"))


class Transformer(nn.Module):
    """Layers one after the other, and a norm."""

    def __init__(self, sizes: of.Transformer) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width, eps=of.EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)
