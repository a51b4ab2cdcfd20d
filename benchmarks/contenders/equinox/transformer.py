"""The Transformer, its layers one after the other or as one loop over stacked weights."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from benchmarks import sizes as of


class Layer(eqx.Module):
    """Attention, then a dense block; each adds to its input."""

    attention_norm: eqx.nn.LayerNorm
    attention: eqx.nn.MultiheadAttention
    dense_norm: eqx.nn.LayerNorm
    fc1: eqx.nn.Linear
    fc2: eqx.nn.Linear

    def __init__(self, sizes: of.Transformer, key: Array) -> None:
        attention_key, key1, key2 = jax.random.split(key, 3)
        width, wide = sizes.width, sizes.widening * sizes.width
        self.attention_norm = eqx.nn.LayerNorm(width, eps=of.EPSILON)
        self.attention = eqx.nn.MultiheadAttention(
            sizes.heads,
            width,
            use_query_bias=True,
            use_key_bias=True,
            use_value_bias=True,
            use_output_bias=True,
            key=attention_key,
        )
        self.dense_norm = eqx.nn.LayerNorm(width, eps=of.EPSILON)
        self.fc1 = eqx.nn.Linear(width, wide, key=key1)
        self.fc2 = eqx.nn.Linear(wide, width, key=key2)

    def __call__(self, x: Array) -> Array:
        past = jnp.tri(x.shape[0], dtype=bool)
        y = jax.vmap(self.attention_norm)(x)
        x = x + self.attention(y, y, y, mask=past)
        y = jax.vmap(self.fc1)(jax.vmap(self.dense_norm)(x))
        return x + jax.vmap(self.fc2)(jax.nn.gelu(y))


class Transformer(eqx.Module):
    """Layers one after the other, and a norm."""

    layers: list[Layer]
    norm: eqx.nn.LayerNorm

    def __init__(self, sizes: of.Transformer, key: Array) -> None:
        self.layers = [Layer(sizes, k) for k in jax.random.split(key, sizes.layers)]
        self.norm = eqx.nn.LayerNorm(sizes.width, eps=of.EPSILON)

    def __call__(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer(x)
        return jax.vmap(self.norm)(x)


class Stacked(eqx.Module):
    """The same, scanned over its layers as equinox's page of tricks shows it."""

    layers: Layer
    norm: eqx.nn.LayerNorm

    def __init__(self, sizes: of.Transformer, key: Array) -> None:
        keys = jax.random.split(key, sizes.layers)
        self.layers = eqx.filter_vmap(lambda k: Layer(sizes, k))(keys)
        self.norm = eqx.nn.LayerNorm(sizes.width, eps=of.EPSILON)

    def __call__(self, x: Array) -> Array:
        arrays, static = eqx.partition(self.layers, eqx.is_array)

        def body(x: Array, layer: Layer) -> tuple[Array, None]:
            return eqx.combine(layer, static)(x), None

        x, _ = jax.lax.scan(body, x, arrays)
        return jax.vmap(self.norm)(x)
