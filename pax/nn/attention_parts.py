"""The sizes of an attention layer, and the arrays that it starts with."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Array

import pax.initializers as initializers
from pax._core import ArgumentError, arguments, key_or_next, keys_for_parts, next_rng_key
from pax.nn.linear import Linear

NAME = "MultiHeadAttention"


def set_sizes(layer: Any, sizes: dict[str, int | None]) -> None:
    """Sets the sizes of an attention layer as attributes; those that are None have defaults."""
    arguments.sizes(NAME, **{name: size for name, size in sizes.items() if size is not None})
    defaults = {
        "num_kv_heads": "num_heads",
        "key_dim": "query_dim",
        "value_dim": "key_dim",
        "value_size": "key_size",
        "out_dim": "query_dim",
    }
    for name, size in sizes.items():
        if size is None and name == "query_dim":
            size = layer.num_heads * layer.key_size
        setattr(layer, name, getattr(layer, defaults[name]) if size is None else size)
    if layer.num_heads % layer.num_kv_heads:
        raise ArgumentError(
            f"{NAME} got num_kv_heads={layer.num_kv_heads!r} with num_heads={layer.num_heads!r}; "
            "expected a divisor of num_heads.",
            "equally many heads of the query share each head of keys and values: choose 1, "
            "num_heads, or a divisor between.",
        )


def set_projections(
    layer: Any, with_bias: bool, with_output_bias: bool | None, rng_key: Any
) -> None:
    """Sets the four dense layers."""
    with_output_bias = with_bias if with_output_bias is None else with_output_bias
    arguments.flags(NAME, with_bias=with_bias, with_output_bias=with_output_bias)
    w_init = initializers.variance_scaling(layer.w_init_scale, "fan_in", "truncated_normal")
    H, G, K, V = layer.num_heads, layer.num_kv_heads, layer.key_size, layer.value_size
    sizes = {
        "query": (layer.query_dim, H * K),
        "key": (layer.key_dim, G * K),
        "value": (layer.value_dim, G * V),
        "output": (H * V, layer.out_dim),
    }
    for (part, size), key in zip(sizes.items(), keys_for_parts(rng_key, 4), strict=True):
        has_bias = with_output_bias if part == "output" else with_bias
        setattr(layer, f"{part}_projection", Linear(*size, has_bias, w_init, rng_key=key))


def key_of_dropout(rng_key: Any) -> Array:
    """Returns the key that dropout starts with, beside those of the dense layers."""
    return next_rng_key() if rng_key is None else jax.random.fold_in(key_or_next(rng_key), 4)


def shown_sizes(layer: Any) -> dict[str, Any]:
    """Returns the arguments of a layer that are not the default, for its printed form."""
    width = layer.num_heads * layer.key_size
    defaults = {
        "num_kv_heads": layer.num_heads,
        "query_dim": width,
        "key_dim": layer.query_dim,
        "value_dim": layer.key_dim,
        "value_size": layer.key_size,
        "out_dim": layer.query_dim,
        "dropout_rate": 0.0,
        "window": None,
        "soft_cap": None,
        "scale": None,
    }
    shown = {"num_heads": layer.num_heads, "key_size": layer.key_size}
    return shown | {k: v for k, d in defaults.items() if (v := getattr(layer, k)) != d}
