"""A transformer from text to text."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Integer, Shaped

import pax.functional as F
import pax.initializers as initializers
from pax._core import Module, arguments, keys_for_parts
from pax.nets import keys
from pax.nn import (
    GLU,
    MLP,
    Embed,
    Linear,
    MultiHeadAttention,
    RelativePositionBias,
    RMSNorm,
    Sequential,
    Stack,
    TransformerBlock,
)

#: The epsilon of the authors' program, for all norms.
EPS = 1e-6


class T5(Module):
    """An encoder and a decoder of text after T5: tokens of a source and a target in, logits out.

    Blocks have root mean square norms before their parts, and no biases; attention does not scale
    its scores, and adds to them a number for each head and bucket of distances, which all blocks
    of the encoder share, and all of the decoder. Logits are x W^T / sqrt(D), W the table of tokens
    of both sides. By default it is the small model of the paper; with `is_gated` the dense blocks
    are (x V) gelu(x W), the approximate gelu, then a linear layer, as in version 1.1.

    Args:
        vocab_size: V, number of tokens.
        dim: D, size of the vectors.
        num_heads: number of attention heads.
        key_size: width of each head; it need not divide D.
        num_layers: number of blocks of the encoder, and of the decoder.
        hidden_dim: width inside the dense blocks.
        is_gated: whether dense blocks are gated, or fc2(relu(fc1(x))).
        num_buckets: number of buckets of distances.
        max_distance: distances from here on share a bucket.
        dropout_rate: as in `pax.TransformerBlock`.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> sizes = {"dim": 8, "num_heads": 2, "key_size": 3, "num_layers": 2, "hidden_dim": 16}
        >>> net = pax.nets.T5(50, **sizes).eval()
        >>> source, target = jnp.array([[5, 3, 8, 1]]), jnp.array([[0, 7, 9]])
        >>> net(source, target).shape
        (1, 3, 50)
        >>> cache = net.make_cache(1, max_length=10, source=source)
        >>> logits, cache = net.decode(target, cache)
        >>> logits.shape
        (1, 3, 50)
    Source: Raffel et al., "Exploring the limits of transfer learning with a unified text-to-text
        transformer", 2019 (arXiv 1910.10683).
    """

    tokens: Embed
    encoder: Stack
    encoder_bias: RelativePositionBias
    encoder_norm: RMSNorm
    decoder: Stack
    decoder_bias: RelativePositionBias
    decoder_norm: RMSNorm

    def __init__(
        self,
        vocab_size: int,
        *,
        dim: int = 512,
        num_heads: int = 8,
        key_size: int = 64,
        num_layers: int = 6,
        hidden_dim: int = 2048,
        is_gated: bool = False,
        num_buckets: int = 32,
        max_distance: int = 128,
        dropout_rate: float = 0.1,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        sizes = {"num_heads": num_heads, "key_size": key_size, "hidden_dim": hidden_dim}
        arguments.sizes("T5", vocab_size=vocab_size, dim=dim, num_layers=num_layers, **sizes)
        arguments.flags("T5", is_gated=is_gated)
        self.vocab_size = vocab_size
        self.dim = dim
        self.num_heads = num_heads
        self.num_layers = num_layers
        layer_keys = keys.for_layers(rng_key)

        def attention(rng_key: Any) -> MultiHeadAttention:
            options: Any = {"query_dim": dim, "with_bias": False, "scale": 1.0}
            layer = MultiHeadAttention(num_heads, key_size, 1.0, rng_key=rng_key, **options)
            # what the scores are not divided by, the first queries are
            query = layer.query_projection
            weight = query.weight * key_size**-0.5
            return layer.replace(query_projection=query.replace(weight=weight))

        def make_block(is_decoder: bool, rng_key: Any = None) -> TransformerBlock:
            self_key, cross_key, dense_key = keys_for_parts(rng_key, 3)
            return TransformerBlock(
                attention(self_key),
                _dense_block(dim, hidden_dim, is_gated, dense_key),
                _norm,
                cross_attention=attention(cross_key) if is_decoder else None,
                dropout_rate=dropout_rate,
                is_causal=is_decoder,
            )

        def bias(is_bidirectional: bool) -> RelativePositionBias:
            sizes = num_buckets, max_distance, num_heads
            return RelativePositionBias(*sizes, is_bidirectional, rng_key=next(layer_keys))

        init = initializers.normal(1.0)
        self.tokens = Embed(vocab_size, dim, init, rng_key=next(layer_keys))
        self.encoder = Stack(partial(make_block, False), num_layers, rng_key=next(layer_keys))
        self.encoder_bias = bias(True)
        self.encoder_norm = _norm(dim)
        self.decoder = Stack(partial(make_block, True), num_layers, rng_key=next(layer_keys))
        self.decoder_bias = bias(False)
        self.decoder_norm = _norm(dim)

    def __call__(
        self,
        source: Integer[ArrayLike, "B S"],
        target: Integer[ArrayLike, "B T"],
        source_mask: Shaped[ArrayLike, "B S"] | None = None,
    ) -> Float[Array, "B T vocab_size"]:
        """Scores each next token of a target.

        Args:
            source: tokens in [0, V), shape [B, S].
            target: likewise, shape [B, T]; the logits at place t are of the token after it, so it
                starts with a token that stands for the beginning.
            source_mask: True (or not zero) where the source holds a token, shape [B, S].
        Returns:
            Shape [B, T, V].
        Raises:
            DtypeError: if tokens are not integers.
            ShapeError: if shapes do not fit.
            PurityError: in training mode outside `pax.pure`, unless dropout_rate is 0.
        """
        x = self.encode(source, source_mask)
        y = self.tokens(target)
        y = self.decoder(y, x, None, source_mask, position=self.decoder_bias)
        return self._logits(y)

    def encode(
        self,
        source: Integer[ArrayLike, "B S"],
        source_mask: Shaped[ArrayLike, "B S"] | None = None,
    ) -> Float[Array, "B S dim"]:
        """Encodes a source.

        Args:
            source: tokens, shape [B, S].
            source_mask: which of them count, shape [B, S].
        Returns:
            Shape [B, S, D].
        """
        mask = None if source_mask is None else jnp.asarray(source_mask)[:, None, None]
        y = self.encoder(self.tokens(source), mask=mask, position=self.encoder_bias)
        return self.encoder_norm(y)

    def make_cache(
        self,
        batch_size: int,
        max_length: int,
        *,
        source: Integer[ArrayLike, "B S"],
        source_mask: Shaped[ArrayLike, "B S"] | None = None,
        dtype: Any = None,
    ) -> Any:
        """Returns a cache of no tokens of the target, for `decode`; it encodes the source.

        Args:
            batch_size: B.
            max_length: the most tokens of a target.
            source: tokens, shape [B, S].
            source_mask: which of them count, shape [B, S].
            dtype: of keys and values; by default that of the weights.
        Returns:
            A tree of arrays [B, num_layers, ...].
        """
        options = {"source": self.encode(source, source_mask), "source_mask": source_mask}
        return self.decoder.make_cache(batch_size, max_length, dtype=dtype, **options)

    def decode(
        self,
        tokens: Integer[ArrayLike, "B T"],
        cache: Any,
        *,
        lengths: Integer[ArrayLike, "B"] | None = None,
    ) -> tuple[Float[Array, "B T vocab_size"], Any]:
        """Reads the next tokens of the target, as `pax.MultiHeadAttention.decode` does.

        Args:
            tokens: the next tokens, shape [B, T].
            cache: what `make_cache` or the last call returned.
            lengths: how many of the T places of each row hold tokens, [B]; all by default.
        Returns:
            The logits, shape [B, T, V], and the cache with the tokens.
        """
        options = {"lengths": lengths, "position": self.decoder_bias}
        y, cache = self.decoder.decode(self.tokens(tokens), cache, **options)
        return self._logits(y), cache

    def _logits(self, y: Array) -> Array:
        return self.tokens.attend(self.decoder_norm(y) * self.dim**-0.5)

    def __repr__(self) -> str:
        names = ("vocab_size", "dim", "num_heads", "num_layers")
        return self._repr({name: getattr(self, name) for name in names})


def _norm(dim: int) -> RMSNorm:
    return RMSNorm(dim, eps=EPS)


def _dense_block(dim: int, hidden_dim: int, is_gated: bool, rng_key: Any) -> Module:
    if not is_gated:
        return MLP((dim, hidden_dim, dim), with_bias=False, rng_key=rng_key)
    into_key, out_key = keys_for_parts(rng_key, 2)
    return Sequential(
        GLU(dim, hidden_dim, with_bias=False, activation=F.gelu, rng_key=into_key),
        Linear(hidden_dim, dim, with_bias=False, rng_key=out_key),
    )
