"""The Transformer, its layers one after the other or as one loop over stacked weights."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import Array

from benchmarks import sizes as of
from benchmarks.contenders.jax.dense import dense, dense_init
from benchmarks.contenders.jax.model import Params, stateless


def norm_init(width: int) -> Params:
    return {"scale": jnp.ones(width), "offset": jnp.zeros(width)}


def layer_norm(params: Params, x: Array) -> Array:
    mean = jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.var(x, axis=-1, keepdims=True)
    y = (x - mean) * jax.lax.rsqrt(variance + of.EPSILON)
    return y * params["scale"] + params["offset"]


def layer_init(sizes: of.Transformer, keys: Iterator[Array]) -> Params:
    width, wide = sizes.width, sizes.widening * sizes.width
    projections = ("query", "key", "value", "output")
    return {
        "attention_norm": norm_init(width),
        "attention": {name: dense_init(next(keys), width, width) for name in projections},
        "dense_norm": norm_init(width),
        "fc1": dense_init(next(keys), width, wide),
        "fc2": dense_init(next(keys), wide, width),
    }


def attention(params: Params, x: Array, heads: int) -> Array:
    split = (*x.shape[:2], heads, x.shape[-1] // heads)  # [B, T, H, K]
    query, key, value = (dense(params[n], x).reshape(split) for n in ("query", "key", "value"))
    scores = jnp.einsum("bthk,bshk->bhts", query, key) / split[-1] ** 0.5
    scores = jnp.where(jnp.tri(x.shape[1], dtype=bool), scores, -jnp.inf)
    mixed = jnp.einsum("bhts,bshk->bthk", jax.nn.softmax(scores), value)
    return dense(params["output"], mixed.reshape(x.shape))


def layer(params: Params, x: Array, heads: int) -> Array:
    x = x + attention(params["attention"], layer_norm(params["attention_norm"], x), heads)
    wide = jax.nn.gelu(dense(params["fc1"], layer_norm(params["dense_norm"], x)))
    return x + dense(params["fc2"], wide)


def init(sizes: of.Transformer, keys: Iterator[Array]) -> Params:
    layers = [layer_init(sizes, keys) for _ in range(sizes.layers)]
    return {"layers": layers, "norm": norm_init(sizes.width)}


def apply(sizes: of.Transformer, params: Params, x: Array) -> Array:
    for layer_params in params["layers"]:
        x = layer(layer_params, x, sizes.heads)
    return layer_norm(params["norm"], x)


def stacked_init(sizes: of.Transformer, keys: Iterator[Array]) -> Params:
    params = init(sizes, keys)
    return params | {"layers": jax.tree.map(lambda *xs: jnp.stack(xs), *params["layers"])}


def stacked_apply(sizes: of.Transformer, params: Params, x: Array) -> Array:
    def body(x: Array, layer_params: Params) -> tuple[Array, None]:
        return layer(layer_params, x, sizes.heads), None

    x, _ = jax.lax.scan(body, x, params["layers"])
    return layer_norm(params["norm"], x)


TRANSFORMER = stateless(init, apply)
STACKED = stateless(stacked_init, stacked_apply)
