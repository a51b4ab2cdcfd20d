"""Additive attention as a layer."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array, ArrayLike, Float, Shaped

import pax.functional as F
import pax.initializers as initializers
from pax._core import ParameterModule, ShapeError, arguments, keys_for_parts
from pax.nn import given, keys
from pax.nn.linear import Linear


class AdditiveAttention(ParameterModule):
    """Attention by scores of a small network, as in the first translators with attention.

    y[t] = sum_s a[t, s] value[s], with a[t, :] the softmax over s of
    w . tanh(Q query[t] + U key[s] + b), Q and b a dense layer of the query, U one of the key
    without bias, and w the array `weight`. Values are not mapped.

    Args:
        query_dim: width of the query, such as the state of a decoder.
        key_dim: width of the key, such as the outputs of an encoder.
        hidden_dim: width of the network.
        with_bias: whether b is added.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer.
    Example:
        >>> attention = pax.AdditiveAttention(3, 4, 8)
        >>> attention(jnp.ones((2, 1, 3)), jnp.ones((2, 5, 4))).shape
        (2, 1, 4)
    Source: Bahdanau et al., "Neural machine translation by jointly learning to align and
        translate", 2014 (arXiv 1409.0473).
    """

    query_projection: Linear
    key_projection: Linear
    weight: Float[Array, "hidden_dim"]

    def __init__(
        self,
        query_dim: int,
        key_dim: int,
        hidden_dim: int,
        *,
        with_bias: bool = True,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        layer = "AdditiveAttention"
        arguments.sizes(layer, query_dim=query_dim, key_dim=key_dim, hidden_dim=hidden_dim)
        arguments.flags(layer, with_bias=with_bias)
        self.query_dim = query_dim
        self.key_dim = key_dim
        self.hidden_dim = hidden_dim
        q_key, k_key, w_key = keys_for_parts(rng_key, 3)
        self.query_projection = Linear(query_dim, hidden_dim, with_bias, rng_key=q_key)
        self.key_projection = Linear(key_dim, hidden_dim, False, rng_key=k_key)
        w_key, _ = keys.for_weight_and_bias(w_key, None)
        self.weight = initializers.lecun_normal()(w_key, (hidden_dim, 1)).reshape(hidden_dim)

    def __call__(
        self,
        query: Float[ArrayLike, "*B T query_dim"],
        key: Float[ArrayLike, "*B S key_dim"],
        value: Float[ArrayLike, "*B S V"] | None = None,
        mask: Shaped[ArrayLike, "..."] | None = None,
    ) -> Float[Array, "*B T _"]:
        """Lets each place of the query attend to the places of key and value.

        Args:
            query: shape [..., T, query_dim].
            key: shape [..., S, key_dim].
            value: shape [..., S, V]; the key by default.
            mask: where it is true (or not zero) a place may be seen; shape [T, S], or [B, T, S].
                A place of the query that may see nothing gives zeros.
        Returns:
            Shape [..., T, V].
        Raises:
            DtypeError: if an input is not a floating array.
            ShapeError: if shapes do not fit.
        """
        query = given.floating(self, query, "query")
        key = given.floating(self, key, "key")
        value = key if value is None else given.floating(self, value, "value")
        given.last_axis(self, query, self.query_dim, "query_dim", "query")
        given.last_axis(self, key, self.key_dim, "key_dim", "key")
        ranks = query.ndim == key.ndim == value.ndim >= 2
        if not ranks or query.shape[:-2] != key.shape[:-2] or key.shape[:-1] != value.shape[:-1]:
            raise ShapeError(
                f"{self!r} got query {query.shape}, key {key.shape}, value {value.shape}; "
                "expected equal batch axes, and as many values as keys.",
                "give a single state of a decoder an axis of time: query[:, None].",
            )
        q, k = self.query_projection(query), self.key_projection(key)
        return F.additive_attention(q, k, value, self.weight, mask)

    def __repr__(self) -> str:
        sizes = {"query_dim": self.query_dim, "key_dim": self.key_dim}
        return self._repr(sizes | {"hidden_dim": self.hidden_dim})
