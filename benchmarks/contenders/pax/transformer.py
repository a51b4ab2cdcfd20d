"""The Transformer: one of pax's ready networks, or layers of one's own in `pax.Stack`."""

from __future__ import annotations

import jax
from jax import Array

import pax
from benchmarks import sizes as of


def transformer(sizes: of.Transformer, rng_key: Array | None = None) -> pax.nets.Transformer:
    return pax.nets.Transformer(
        sizes.width, sizes.heads, sizes.layers, dropout_rate=0.0, rng_key=rng_key
    )


class Layer(pax.Module):
    """Attention, then a dense block; each adds to its input."""

    def __init__(self, sizes: of.Transformer) -> None:
        super().__init__()
        width, wide = sizes.width, sizes.widening * sizes.width
        self.attention_norm = pax.LayerNorm(width, -1, True, True)
        self.attention = pax.MultiHeadAttention(sizes.heads, width // sizes.heads, 1.0)
        self.dense_norm = pax.LayerNorm(width, -1, True, True)
        self.fc1 = pax.Linear(width, wide)
        self.fc2 = pax.Linear(wide, width)

    def __call__(self, x: Array) -> Array:
        y = self.attention_norm(x)
        x = x + self.attention(y, y, y, is_causal=True)
        return x + self.fc2(jax.nn.gelu(self.fc1(self.dense_norm(x))))


class Stacked(pax.Module):
    """The layers as one scanned program, and a norm."""

    def __init__(self, sizes: of.Transformer) -> None:
        super().__init__()
        self.layers = pax.Stack(lambda: Layer(sizes), sizes.layers)
        self.norm = pax.LayerNorm(sizes.width, -1, True, True)

    def __call__(self, x: Array) -> Array:
        return self.norm(self.layers(x))
