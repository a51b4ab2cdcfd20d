"""Attention with several heads."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array, ArrayLike, Float, Shaped

import pax.functional as F
import pax.initializers as initializers
from pax._core import Module, ShapeError, arguments
from pax.nn import given, keys
from pax.nn.linear import Linear


class MultiHeadAttention(Module):
    """Attention with several heads over sequences.

    softmax(Q K' / sqrt(key_size)) V in each head, where Q, K and V are dense layers of query, key
    and value, and a dense layer of all heads together at the end. All sequences have the width
    D = num_heads * key_size.

    Args:
        num_heads: H, number of heads.
        key_size: K, width of each head.
        w_init_scale: the dense layers start with variance w_init_scale / D.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or w_init_scale is not positive.
    Example:
        >>> x = jnp.ones((2, 5, 8))
        >>> pax.MultiHeadAttention(2, 4, 1.0)(x, x, x).shape
        (2, 5, 8)
    Source: Vaswani et al., "Attention is all you need", 2017 (arXiv 1706.03762).
    """

    query_projection: Linear
    key_projection: Linear
    value_projection: Linear
    output_projection: Linear

    def __init__(
        self,
        num_heads: int,
        key_size: int,
        w_init_scale: float,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("MultiHeadAttention", num_heads=num_heads, key_size=key_size)
        self.num_heads = num_heads
        self.key_size = key_size
        self.w_init_scale = arguments.positive("MultiHeadAttention", "w_init_scale", w_init_scale)
        width = num_heads * key_size
        w_init = initializers.variance_scaling(self.w_init_scale, "fan_in", "truncated_normal")
        q_key, k_key, v_key, o_key = keys.for_parts(rng_key, 4)
        self.query_projection = Linear(width, width, w_init=w_init, rng_key=q_key)
        self.key_projection = Linear(width, width, w_init=w_init, rng_key=k_key)
        self.value_projection = Linear(width, width, w_init=w_init, rng_key=v_key)
        self.output_projection = Linear(width, width, w_init=w_init, rng_key=o_key)

    def __call__(
        self,
        query: Float[ArrayLike, "*B T D"],
        key: Float[ArrayLike, "*B S D"],
        value: Float[ArrayLike, "*B S D"],
        mask: Shaped[ArrayLike, "..."] | None = None,
        *,
        is_causal: bool = False,
    ) -> Float[Array, "*B T D"]:
        """Lets each place of the query attend to the places of key and value.

        Args:
            query: shape [..., T, D].
            key: shape [..., S, D].
            value: shape [..., S, D].
            mask: where it is true (or not zero) a place may be seen; shape [T, S], or
                [B, 1 or H, T, S]. A query place that may see nothing gives zeros before the last
                dense layer.
            is_causal: whether place t of the query may see the places s <= t only; with a mask,
                both must allow it.
        Returns:
            Shape [..., T, D].
        Raises:
            DtypeError: if an input is not a floating array.
            ShapeError: if shapes do not fit, or the mask has no head axis.
        """
        query = self._sequence(query, "query")
        key = self._sequence(key, "key")
        value = self._sequence(value, "value")
        if key.shape[:-1] != value.shape[:-1] or query.shape[:-2] != key.shape[:-2]:
            raise ShapeError(
                f"{self!r} got query {query.shape}, key {key.shape}, value {value.shape}; "
                "expected equal batch axes, and as many values as keys.",
                "pass the same sequence as key and value.",
            )
        heads = F.dot_product_attention(  # [..., T, H, K]
            self._split(self.query_projection(query)),  # [..., T, H, K]
            self._split(self.key_projection(key)),  # [..., S, H, K]
            self._split(self.value_projection(value)),  # [..., S, H, K]
            mask,
            is_causal=is_causal,
        )
        return self.output_projection(heads.reshape(query.shape))  # [..., T, D]

    def _sequence(self, x: Any, what: str) -> Array:
        x = given.floating(self, x, what)
        width = self.num_heads * self.key_size
        if x.ndim < 2 or x.shape[-1] != width:
            raise ShapeError(
                f"{self!r} got {what} of shape {x.shape}; expected (..., time, {width}), the "
                "width being num_heads * key_size.",
                "choose num_heads and key_size so that their product is the width.",
            )
        return x

    def _split(self, x: Array) -> Array:
        return x.reshape(*x.shape[:-1], self.num_heads, self.key_size)

    def __repr__(self) -> str:
        return self._repr({"num_heads": self.num_heads, "key_size": self.key_size})
