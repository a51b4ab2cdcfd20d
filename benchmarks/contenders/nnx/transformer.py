"""The Transformer, its layers one after the other or as one loop over stacked weights."""

from __future__ import annotations

from flax import nnx
from jax import Array

from benchmarks import sizes as of


class Layer(nnx.Module):
    """Attention, then a dense block; each adds to its input."""

    def __init__(self, sizes: of.Transformer, rngs: nnx.Rngs) -> None:
        width, wide = sizes.width, sizes.widening * sizes.width
        self.attention_norm = nnx.LayerNorm(width, epsilon=of.EPSILON, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(sizes.heads, width, decode=False, rngs=rngs)
        self.dense_norm = nnx.LayerNorm(width, epsilon=of.EPSILON, rngs=rngs)
        self.fc1 = nnx.Linear(width, wide, rngs=rngs)
        self.fc2 = nnx.Linear(wide, width, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        x = x + self.attention(self.attention_norm(x), is_causal=True)
        return x + self.fc2(nnx.gelu(self.fc1(self.dense_norm(x))))


class Transformer(nnx.Module):
    """Layers one after the other, and a norm."""

    def __init__(self, sizes: of.Transformer, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([Layer(sizes, rngs) for _ in range(sizes.layers)])
        self.norm = nnx.LayerNorm(sizes.width, epsilon=of.EPSILON, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class Stacked(nnx.Module):
    """The same, with `nnx.vmap` to make the layers and `nnx.scan` to run them."""

    def __init__(self, sizes: of.Transformer, rngs: nnx.Rngs) -> None:
        @nnx.split_rngs(splits=sizes.layers)
        @nnx.vmap(in_axes=0, out_axes=0)
        def make(rngs: nnx.Rngs) -> Layer:
            return Layer(sizes, rngs)

        self.layers = make(rngs)
        self.norm = nnx.LayerNorm(sizes.width, epsilon=of.EPSILON, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        @nnx.scan(in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
        def run(layer: Layer, x: Array) -> Array:
            return layer(x)

        return self.norm(run(self.layers, x))
