"""Attention with several heads."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Integer, Key, Shaped, UInt32

from pax._core import Module, ShapeError, arguments, parameters_method, scoped
from pax.nn import attention_decoding as decoding
from pax.nn import attention_heads as heads
from pax.nn import attention_parts as parts
from pax.nn import keys
from pax.nn.key_value_cache import KeyValueCache
from pax.nn.linear import Linear
from pax.nn.position_bias import Alibi, RelativePositionBias
from pax.nn.rms_norm import RMSNorm
from pax.nn.rotary_embed import RotaryEmbed


class MultiHeadAttention(Module):
    """Attention with several heads over sequences.

    softmax(Q K' / sqrt(key_size)) V in each head, where Q, K and V are dense layers of query, key
    and value, and a dense layer of all heads together at the end. Without further options all
    sequences have the width D = num_heads * key_size.

    Args:
        num_heads: H, number of heads.
        key_size: K, width of each head.
        w_init_scale: the dense layers start with variance w_init_scale / (width of their input).
        num_kv_heads: G, number of heads of keys and values, which divides H: heads of the query
            h = 0 ... H / G - 1 share the first of them, and so on. H by default; less is grouped
            query attention, 1 is multi-query attention.
        query_dim: width of the query; num_heads * key_size by default.
        key_dim: width of the key; query_dim by default.
        value_dim: width of the value; key_dim by default.
        value_size: V, width of the values in each head; key_size by default.
        out_dim: width of the output; query_dim by default.
        with_bias: whether the dense layers have a bias.
        with_output_bias: whether the last one has; by default as the others.
        query_key_norm: whether queries and keys of each head are divided by their root mean
            square, with a trainable scale [K], before they are turned.
        dropout_rate: probability, in [0, 1), that a weight of the softmax becomes zero while
            training; the others are divided by 1 - dropout_rate. A training call then replaces
            `rng_key` by a fresh one, so it runs in `pax.pure`.
        window: w, a place sees only those less than w away; with is_causal, the last w places,
            its own included. None is no limit.
        soft_cap: c, scores become c tanh(score / c). None leaves them.
        scale: what products of queries and keys are multiplied by; 1 / sqrt(key_size) by default.
        with_sinks: whether each head has a trainable number, `sinks`, that takes part in the
            softmax as one more score, of a value of zeros. It starts at 0.
        position: how positions count: a `RotaryEmbed`, an `Alibi` or a `RelativePositionBias`,
            which the layer copies. Without it only masks tell places apart.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right, or two do not fit together; they are named.
    Example:
        >>> x = jnp.ones((2, 5, 8))
        >>> pax.MultiHeadAttention(2, 4, 1.0)(x, x, x).shape
        (2, 5, 8)
        >>> rotary = pax.RotaryEmbed(4)
        >>> attention = pax.MultiHeadAttention(4, 4, 1.0, query_dim=8, num_kv_heads=2,
        ...     with_bias=False, window=3, position=rotary)
        >>> y = attention(x, x, x, is_causal=True)
        >>> first, cache = attention.decode(x[:, :4], attention.make_cache(2, max_length=5))
        >>> last, cache = attention.decode(x[:, 4:], cache)
        >>> bool(jnp.allclose(y, jnp.concatenate([first, last], axis=1), atol=1e-5))
        True
    Source: Vaswani et al., "Attention is all you need", 2017 (arXiv 1706.03762); grouped heads:
        Ainslie et al., 2023 (arXiv 2305.13245).
    """

    query_projection: Linear
    key_projection: Linear
    value_projection: Linear
    output_projection: Linear
    query_norm: RMSNorm | None
    key_norm: RMSNorm | None
    sinks: Float[Array, "H"] | None
    position: RotaryEmbed | Alibi | RelativePositionBias | None
    rng_key: Key[Array, ""] | UInt32[Array, "_"] | None
    parameters = parameters_method("sinks")

    def __init__(
        self,
        num_heads: int,
        key_size: int,
        w_init_scale: float,
        *,
        num_kv_heads: int | None = None,
        query_dim: int | None = None,
        key_dim: int | None = None,
        value_dim: int | None = None,
        value_size: int | None = None,
        out_dim: int | None = None,
        with_bias: bool = True,
        with_output_bias: bool | None = None,
        query_key_norm: bool = False,
        dropout_rate: float = 0.0,
        window: int | None = None,
        soft_cap: float | None = None,
        scale: float | None = None,
        with_sinks: bool = False,
        position: RotaryEmbed | Alibi | RelativePositionBias | None = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        layer = "MultiHeadAttention"
        arguments.sizes(layer, num_heads=num_heads, key_size=key_size)
        self.num_heads = num_heads
        self.key_size = key_size
        self.w_init_scale = arguments.positive(layer, "w_init_scale", w_init_scale)
        sizes = {"num_kv_heads": num_kv_heads, "query_dim": query_dim, "key_dim": key_dim}
        sizes |= {"value_dim": value_dim, "value_size": value_size, "out_dim": out_dim}
        parts.set_sizes(self, sizes)
        if window is not None:
            arguments.sizes(layer, window=window)
        self.window = window
        self.soft_cap = (
            None if soft_cap is None else arguments.positive(layer, "soft_cap", soft_cap)
        )
        self.scale = None if scale is None else arguments.positive(layer, "scale", scale)
        self.dropout_rate = arguments.rate(layer, "dropout_rate", dropout_rate, may_be_one=False)
        arguments.flags(layer, query_key_norm=query_key_norm, with_sinks=with_sinks)
        heads.check_position(layer, position, num_heads, key_size)
        parts.set_projections(self, with_bias, with_output_bias, rng_key)
        self.query_norm = RMSNorm(key_size) if query_key_norm else None
        self.key_norm = RMSNorm(key_size) if query_key_norm else None
        self.sinks = jnp.zeros(num_heads) if with_sinks else None
        self.position = None if position is None else position.copy()
        self.rng_key = parts.key_of_dropout(rng_key) if self.dropout_rate > 0 else None

    def __call__(
        self,
        query: Float[ArrayLike, "*B T query_dim"],
        key: Float[ArrayLike, "*B S key_dim"],
        value: Float[ArrayLike, "*B S value_dim"],
        mask: Shaped[ArrayLike, "..."] | None = None,
        *,
        is_causal: bool = False,
        positions: Integer[ArrayLike, "..."] | None = None,
        key_positions: Integer[ArrayLike, "..."] | None = None,
        segment_ids: Integer[ArrayLike, "..."] | None = None,
        key_segment_ids: Integer[ArrayLike, "..."] | None = None,
        bias: Float[ArrayLike, "..."] | None = None,
        position: RotaryEmbed | Alibi | RelativePositionBias | None = None,
    ) -> Float[Array, "*B T {self.out_dim}"]:
        """Lets each place of the query attend to the places of key and value.

        Args:
            query: shape [..., T, query_dim].
            key: shape [..., S, key_dim].
            value: shape [..., S, value_dim].
            mask: where it is true (or not zero) a place may be seen; shape [T, S], or
                [B, 1 or H, T, S]. A query place that may see nothing gives zeros before the last
                dense layer. All conditions, this and those below, must allow a place.
            is_causal: whether places of the query may see only those at their own position and
                before.
            positions: of the query, integers [T] or [..., T]; 0 ... T - 1 by default.
            key_positions: of key and value, integers [S] or [..., S]; by default those of the
                query where positions are given, else 0 ... S - 1. A place of a negative position
                is seen by nobody.
            segment_ids: integers [T] or [..., T], where several sequences are packed into one:
                a place sees those of its own segment only.
            key_segment_ids: of key and value, [S] or [..., S]; by default segment_ids.
            bias: added to the scores; shape [T, S], or [B, 1 or H, T, S].
            position: what `position` is at construction, for layers that share one; only where
                the layer has none of its own.
        Returns:
            Shape [..., T, out_dim].
        Raises:
            ArgumentError: if two arguments do not fit together.
            DtypeError: if an input is not a floating array.
            ShapeError: if shapes do not fit, or the mask has no head axis.
            PurityError: in training mode with dropout, outside `pax.pure`.
        """
        inputs = {"query": query, "key": key, "value": value}
        query, key, value = (heads.sequence(self, x, what) for what, x in inputs.items())
        if key.shape[:-1] != value.shape[:-1] or query.shape[:-2] != key.shape[:-2]:
            raise ShapeError(
                f"{self!r} got query {query.shape}, key {key.shape}, value {value.shape}; "
                "expected equal batch axes, and as many values as keys.",
                "pass the same sequence as key and value.",
            )
        part = heads.position_of(self, position)
        at, key_at = heads.of_both(self, query, key, positions, key_positions, "positions")
        ids, key_ids = heads.of_both(self, query, key, segment_ids, key_segment_ids, "segment_ids")
        return heads.attended(
            self,
            heads.queries(self, query, part, at),
            *heads.keys_and_values(self, key, value, part, key_at),
            part,
            mask=mask,
            is_causal=is_causal,
            query_positions=at,
            key_positions=key_at,
            query_segment_ids=ids,
            key_segment_ids=key_ids,
            bias=bias,
            **self._dropout(),
        )

    def _dropout(self) -> dict[str, Any]:
        key = keys.while_training(self, self.dropout_rate)
        return {} if key is None else {"dropout_rate": self.dropout_rate, "rng_key": key}

    def make_cache(self, batch_size: int, max_length: int, *, dtype: Any = None) -> KeyValueCache:
        """Returns a cache of no tokens, for `decode`.

        With a window w the cache has S = min(max_length, w) slots; one of w slots never ends.

        Args:
            batch_size: B.
            max_length: the most tokens of a row.
            dtype: of keys and values; by default that of the weights.
        Returns:
            The cache, with leaves of shape [B, S, ...] and [B].
        Raises:
            ArgumentError: if a size cannot be right.
        """
        return decoding.made(self, batch_size, max_length, dtype)

    def decode(
        self,
        x: Float[ArrayLike, "B T query_dim"],
        cache: KeyValueCache,
        *,
        lengths: Integer[ArrayLike, "B"] | None = None,
        position: RotaryEmbed | Alibi | RelativePositionBias | None = None,
    ) -> tuple[Float[Array, "B T {self.out_dim}"], KeyValueCache]:
        """Reads the next tokens: self-attention, causal, that goes on where the cache ends.

        Any number of calls with any T give what one call of the layer gives,
        `layer(x, x, x, is_causal=True)`. Nothing is dropped, in any mode. Token t of row b is at
        position `cache.length[b] + t`.

        Args:
            x: the next tokens, shape [B, T, query_dim].
            cache: what `make_cache` or the last call returned. Donate it to a compiled step, and
                it is written in place.
            lengths: how many of the T places of each row hold tokens, the first ones, [B]; all by
                default. The others are not written, and their outputs have no meaning.
            position: as in a call.
        Returns:
            The outputs, shape [B, T, out_dim], and the cache with the tokens. Where values are
            known only later, as under `jax.jit`, tokens beyond the end of a cache without a
            window, and rows of lengths that cannot be, give NaN.
        Raises:
            ArgumentError: if the cache cannot hold the tokens, a length is not in 0 ... T, or
                position is given twice.
            CallError: if cache is no `KeyValueCache`.
            DtypeError: if x is not floating, or lengths are not integers.
            ShapeError: if shapes do not fit.
        """
        return decoding.decoded(self, x, cache, lengths, position)

    @scoped
    def project_source(
        self,
        key: Float[ArrayLike, "B S key_dim"],
        value: Float[ArrayLike, "B S value_dim"] | None = None,
        mask: Shaped[ArrayLike, "B S"] | None = None,
    ) -> KeyValueCache:
        """Returns keys and values of a source, once for all steps of `attend`: cross-attention.

        Args:
            key: the source, shape [B, S, key_dim].
            value: shape [B, S, value_dim]; the key by default.
            mask: which places of the source may be seen, true or not zero, [B, S]; all by default.
        Returns:
            A cache; `attend` reads it and does not change it.
        Raises:
            DtypeError: if an input is not a floating array.
            ShapeError: if shapes do not fit.
        """
        return decoding.projected(self, key, value, mask)

    @scoped
    def attend(
        self,
        query: Float[ArrayLike, "B T query_dim"],
        source: KeyValueCache,
        *,
        positions: Integer[ArrayLike, "..."] | None = None,
    ) -> Float[Array, "B T {self.out_dim}"]:
        """Lets each place of the query attend to a source that was projected before.

        `layer.attend(query, layer.project_source(key, value, mask))` is
        `layer(query, key, value, mask[:, None, None, :])`. Nothing is dropped, in any mode.

        Args:
            query: shape [B, T, query_dim].
            source: what `project_source` returned.
            positions: of the query, integers [T] or [B, T]; asked for where the layer has a
                window or a position, since steps of decoding do not start at 0.
        Returns:
            Shape [B, T, out_dim].
        Raises:
            ArgumentError: if positions are asked for and not given.
            CallError: if source is no `KeyValueCache`.
            DtypeError: if query is not floating.
            ShapeError: if shapes do not fit.
        """
        return decoding.attended_source(self, query, source, positions)

    def __repr__(self) -> str:
        return self._repr(parts.shown_sizes(self))
