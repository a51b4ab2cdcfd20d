"""A language model after GPT-2."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Integer

import pax.functional as F
import pax.initializers as initializers
from pax._core import ArgumentError, Module, arguments
from pax.nets import keys
from pax.nn import (
    MLP,
    Dropout,
    Embed,
    KeyValueCache,
    LayerNorm,
    MultiHeadAttention,
    PositionEmbed,
    Stack,
    TransformerBlock,
)

#: The standard deviation of what all weights start with.
STDDEV = 0.02


class GPT2(Module):
    """A decoder of text after GPT-2: tokens in, logits of the next token at each place out.

    x = token + position, then causal blocks with the norm before each part and the approximate
    gelu, then norm(x) W', with W the table of tokens. What a block adds starts smaller by
    sqrt(2 L).

    Args:
        vocab_size: V, number of tokens.
        dim: D, width; by default, as all sizes, that of the small model.
        num_heads: number of attention heads; it divides dim.
        num_layers: L, number of blocks.
        hidden_dim: width inside the dense blocks; 4 D by default.
        max_length: number of positions.
        dropout_rate: probability, in [0, 1), that while training an element of the first x, or of
            what a part of a block adds, becomes zero. Weights of attention are not dropped.
        remat: as in `pax.Stack`.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> net = pax.nets.GPT2(100, dim=8, num_heads=2, num_layers=2, max_length=16).eval()
        >>> tokens = jnp.array([[5, 3, 8], [7, 2, 0]])
        >>> net(tokens).shape
        (2, 3, 100)
        >>> pax.generation.generate(net, tokens, max_new_tokens=4).tokens.shape
        (2, 4)
    Source: Radford et al., "Language models are unsupervised multitask learners", 2019.
    """

    tokens: Embed
    positions: PositionEmbed
    dropout: Dropout | None
    blocks: Any
    norm: LayerNorm

    def __init__(
        self,
        vocab_size: int,
        *,
        dim: int = 768,
        num_heads: int = 12,
        num_layers: int = 12,
        hidden_dim: int | None = None,
        max_length: int = 1024,
        dropout_rate: float = 0.1,
        remat: Any = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        hidden_dim = 4 * dim if hidden_dim is None else hidden_dim
        sizes = {"dim": dim, "num_heads": num_heads, "num_layers": num_layers}
        arguments.sizes("GPT2", vocab_size=vocab_size, hidden_dim=hidden_dim, **sizes)
        arguments.heads_of("GPT2", dim, num_heads)
        rate = arguments.rate("GPT2", "dropout_rate", dropout_rate, may_be_one=False)
        self.vocab_size = vocab_size
        self.dim = dim
        self.num_heads = num_heads
        self.num_layers = num_layers
        self.max_length = max_length
        layer_keys = keys.for_layers(rng_key)
        w_init = initializers.normal(STDDEV)
        self.tokens = Embed(vocab_size, dim, w_init, rng_key=next(layer_keys))
        self.positions = PositionEmbed(max_length, dim, w_init, rng_key=next(layer_keys))
        self.dropout = Dropout(rate) if rate > 0 else None

        def make_block(rng_key: Any = None) -> TransformerBlock:
            block_keys = keys.for_layers(rng_key)
            attention = MultiHeadAttention(
                num_heads, dim // num_heads, STDDEV**2 * dim, rng_key=next(block_keys)
            )
            dense = MLP((dim, hidden_dim, dim), F.gelu, w_init=w_init, rng_key=next(block_keys))
            block = TransformerBlock(attention, dense, is_causal=True, dropout_rate=rate)
            for layer in (attention.output_projection, dense.layers[-1]):
                small = layer.weight / (2 * num_layers) ** 0.5
                block = block.replace_node(layer.weight, small)
            return block

        self.blocks = Stack(make_block, num_layers, remat, rng_key=next(layer_keys))
        self.norm = LayerNorm(dim, -1, True, True)

    def __call__(
        self, tokens: Integer[ArrayLike, "*B T"], **options: Any
    ) -> Float[Array, "*B T {self.vocab_size}"]:
        """Computes the logits of the token after each.

        Args:
            tokens: integers in [0, V), shape [..., T], padded on the right if at all.
            options: what attention gets besides, such as `segment_ids`.
        Returns:
            Shape [..., T, V].
        Raises:
            DtypeError: if tokens are not integers.
            ShapeError: if they are more than there are positions.
            PurityError: in training mode outside `pax.pure`, unless dropout_rate is 0.
        """
        x = self.positions(self.tokens(tokens))
        x = x if self.dropout is None else self.dropout(x)
        return self.tokens.attend(self.norm(self.blocks(x, **options)))

    def make_cache(self, batch_size: int, max_length: int, *, dtype: Any = None) -> Any:
        """Returns a cache of no tokens, for `decode`.

        Args:
            batch_size: B.
            max_length: the most tokens of a row.
            dtype: of keys and values; by default that of the weights.
        Returns:
            The caches of the blocks.
        Raises:
            ArgumentError: if a size cannot be right, or there are fewer positions.
        """
        if arguments.is_int(max_length) and max_length > self.max_length:
            raise ArgumentError(
                f"{self!r} got max_length={max_length} for a cache; it has {self.max_length} "
                "positions.",
                "generate fewer tokens, or build the network with a larger max_length.",
            )
        return self.blocks.make_cache(batch_size, max_length, dtype=dtype)

    def decode(
        self,
        tokens: Integer[ArrayLike, "B T"],
        cache: Any,
        *,
        lengths: Integer[ArrayLike, "B"] | None = None,
    ) -> tuple[Float[Array, "B T {self.vocab_size}"], Any]:
        """Reads the next tokens, as `pax.MultiHeadAttention.decode` does.

        Args:
            tokens: the next tokens, shape [B, T].
            cache: what `make_cache` or the last call returned.
            lengths: how many of the T places of each row hold tokens, [B]; all by default.
        Returns:
            The logits of the token after each, shape [B, T, V], and the cache with the tokens.
        Raises:
            ArgumentError: if the cache cannot hold the tokens, or a length is not in 0 ... T.
            DtypeError: if tokens or lengths are not integers.
            ShapeError: if shapes do not fit.
        """
        x = self.tokens(tokens)
        steps = jnp.arange(x.shape[1], dtype=jnp.int32)[None]
        # behind the last position, where a full cache has said so already, there is no token
        places = jnp.minimum(tokens_read(cache)[:, None] + steps, self.max_length - 1)
        x = x + F.embed(places, self.positions.weight)
        x, cache = self.blocks.decode(x, cache, lengths=lengths)
        return self.tokens.attend(self.norm(x)), cache

    def __repr__(self) -> str:
        return self._repr(
            {
                "vocab_size": self.vocab_size,
                "dim": self.dim,
                "num_heads": self.num_heads,
                "num_layers": self.num_layers,
            }
        )


def tokens_read(cache: Any) -> Array:
    """Returns how many tokens each row of the caches of blocks holds, [B]."""
    parts = jax.tree.leaves(cache, is_leaf=lambda x: isinstance(x, KeyValueCache))
    length = parts[0].length  # with an axis more where the layers are stacked
    return length.reshape(len(length), -1)[:, 0]
