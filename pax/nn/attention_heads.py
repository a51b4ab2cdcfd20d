"""The steps of an attention layer: heads from its dense layers, positions, scores."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

import pax.functional as F
from pax._core import ArgumentError, ShapeError
from pax.nn import given
from pax.nn.position_bias import Alibi, RelativePositionBias
from pax.nn.rotary_embed import RotaryEmbed

#: What may tell an attention layer where queries and keys are.
POSITIONS = (RotaryEmbed, Alibi, RelativePositionBias)


def check_position(name: str, position: Any, num_heads: int, key_size: int) -> None:
    """Raises unless what tells positions is such a layer, with these sizes."""
    if position is None:
        return
    if not isinstance(position, POSITIONS):
        raise ArgumentError(
            f"{name} got position of type {type(position).__name__}; expected a RotaryEmbed, Alibi "
            "or RelativePositionBias.",
            "write position=pax.RotaryEmbed(key_size); layers that add vectors, such as "
            "PositionEmbed, come before attention.",
        )
    size = "key_size" if isinstance(position, RotaryEmbed) else "num_heads"
    wanted = key_size if size == "key_size" else num_heads
    if getattr(position, size) != wanted:
        raise ArgumentError(
            f"{name} got position={position!r} with {size}={wanted}.",
            f"build it with {size}={wanted}.",
        )


def position_of(layer: Any, position: Any) -> Any:
    """Returns what tells positions: the layer's own part, or that of the call."""
    if position is None:
        return layer.position
    if layer.position is not None:
        raise ArgumentError(
            f"{layer!r} got position={position!r} at the call although it has its own.",
            "build the layer without position, or leave it out at the call.",
        )
    check_position(repr(layer), position, layer.num_heads, layer.key_size)
    return position


def sequence(layer: Any, x: Any, what: str) -> Array:
    """Returns an input of the layer as a JAX array; raises if it has another width."""
    x = given.floating(layer, x, what)
    width = getattr(layer, f"{what}_dim")
    if x.ndim < 2 or x.shape[-1] != width:
        is_default = width == layer.num_heads * layer.key_size
        why = "num_heads * key_size" if is_default else f"{what}_dim"
        fix = f"build the layer with {what}_dim={x.shape[-1] if x.ndim else width}."
        if is_default:
            fix = "choose num_heads and key_size so that their product is the width."
        raise ShapeError(
            f"{layer!r} got {what} of shape {x.shape}; expected (..., time, {width}), the "
            f"width being {why}.",
            fix,
        )
    return x


def of_both(
    layer: Any, query: Array, key: Array, of_query: Any, of_key: Any, what: str
) -> tuple[Array | None, Array | None]:
    """Returns positions or segments of query and key, checked; those of the key may be left out."""
    if of_query is None and of_key is None:
        return None, None
    if of_key is None:
        if query.shape[-2] != key.shape[-2]:
            raise ArgumentError(
                f"{layer!r} got {what} without key_{what} for {query.shape[-2]} queries and "
                f"{key.shape[-2]} keys; expected both.",
                f"pass key_{what} too; only of equally many places are they the same.",
            )
        of_key = of_query
    if of_query is None and what == "segment_ids":
        raise ArgumentError(
            f"{layer!r} got key_segment_ids without segment_ids; expected both.",
            "pass segment_ids too, one for each place of the query.",
        )
    lead = query.shape[:-1], key.shape[:-1]
    if of_query is not None:
        of_query = given.integers_at(layer, lead[0], of_query, what)
    return of_query, given.integers_at(layer, lead[1], of_key, f"key_{what}")


def queries(layer: Any, x: Array, position: Any, positions: Array | None) -> Array:
    """Returns the queries of all heads, [..., T, H, K]."""
    y = _heads(layer.query_projection(x), layer.num_heads)
    y = y if layer.query_norm is None else layer.query_norm(y)
    return position(y, positions) if isinstance(position, RotaryEmbed) else y


def keys_and_values(
    layer: Any, key: Array, value: Array, position: Any, positions: Array | None
) -> tuple[Array, Array]:
    """Returns keys [..., S, G, K] and values [..., S, G, V] of all heads."""
    y = _heads(layer.key_projection(key), layer.num_kv_heads)
    y = y if layer.key_norm is None else layer.key_norm(y)
    y = position(y, positions) if isinstance(position, RotaryEmbed) else y
    return y, _heads(layer.value_projection(value), layer.num_kv_heads)


def _heads(x: Array, num_heads: int) -> Array:
    return x.reshape(*x.shape[:-1], num_heads, x.shape[-1] // num_heads)


def attended(
    layer: Any,
    query: Array,
    key: Array,
    value: Array,
    position: Any,
    *,
    bias: Any = None,
    query_positions: Array | None = None,
    key_positions: Array | None = None,
    **options: Any,
) -> Array:
    """Returns what all queries get, [..., T, out_dim], by the rules of the layer."""
    if isinstance(position, Alibi):
        options["alibi_slopes"] = F.alibi_slopes(layer.num_heads)
    if isinstance(position, RelativePositionBias):
        if bias is not None:
            raise ArgumentError(
                f"{layer!r} got bias beside {position!r}; expected one of them.",
                "add what position(query_positions, key_positions) returns to your bias.",
            )
        bias = _bias(layer, position, query, key, query_positions, key_positions)
    y = F.dot_product_attention(
        query,
        key,
        value,
        bias=bias,
        query_positions=query_positions,
        key_positions=key_positions,
        window=layer.window,
        scale=layer.scale,
        soft_cap=layer.soft_cap,
        sinks=layer.sinks,
        **options,
    )
    return layer.output_projection(y.reshape(*y.shape[:-2], y.shape[-2] * y.shape[-1]))


def _bias(
    layer: Any,
    position: RelativePositionBias,
    query: Array,
    key: Array,
    query_positions: Array | None,
    key_positions: Array | None,
) -> Array:
    """Returns the bias of positions in the rank of the scores, [..., H, T, S]."""
    at = given.places(layer, query.shape[:-2], query_positions, "positions")
    key_at = given.places(layer, key.shape[:-2], key_positions, "key_positions")
    lead = max(at.shape[:-1], key_at.shape[:-1], key=len)  # one of them may be for all rows
    at, key_at = (jnp.broadcast_to(x, (*lead, x.shape[-1])) for x in (at, key_at))
    bias = position(at, key_at)
    return bias.reshape((1,) * (query.ndim - bias.ndim) + bias.shape)
