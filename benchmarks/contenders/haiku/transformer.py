"""The Transformer, its layers one after the other or in `hk.layer_stack`."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from benchmarks import sizes as of


def norm(name: str) -> hk.LayerNorm:
    return hk.LayerNorm(-1, create_scale=True, create_offset=True, eps=of.EPSILON, name=name)


class Layer(hk.Module):
    """Attention, then a dense block; each adds to its input."""

    def __init__(self, sizes: of.Transformer, name: str) -> None:
        super().__init__(name=name)
        self.heads = sizes.heads
        self.width, self.wide = sizes.width, sizes.widening * sizes.width

    def __call__(self, x: Array) -> Array:
        past = jnp.tri(x.shape[1], dtype=bool)[None, None]
        key_size, w_init = self.width // self.heads, hk.initializers.VarianceScaling()
        attention = hk.MultiHeadAttention(self.heads, key_size, w_init=w_init, name="attention")
        y = norm("attention_norm")(x)
        x = x + attention(y, y, y, past)
        y = hk.Linear(self.wide, name="fc1")(norm("dense_norm")(x))
        return x + hk.Linear(self.width, name="fc2")(jax.nn.gelu(y))


def transformer(sizes: of.Transformer, x: Array, training: bool) -> Array:
    for i in range(sizes.layers):
        x = Layer(sizes, f"layer{i}")(x)
    return norm("norm")(x)


def stacked(sizes: of.Transformer, x: Array, training: bool) -> Array:
    x = hk.layer_stack(sizes.layers, name="layers")(lambda x: Layer(sizes, "layer")(x))(x)
    return norm("norm")(x)
