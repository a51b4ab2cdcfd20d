"""A language model after Llama."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array, ArrayLike, Float, Integer

import pax.functional as F
import pax.initializers as initializers
from pax._core import Module, arguments
from pax.nets import keys
from pax.nn import (
    Embed,
    Linear,
    MultiHeadAttention,
    RMSNorm,
    RotaryEmbed,
    Sequential,
    Stack,
    SwiGLU,
    TransformerBlock,
)

#: The standard deviation of what all weights start with.
STDDEV = 0.02


class Llama(Module):
    """A decoder of text after Llama: tokens in, logits of the next token at each place out.

    Causal blocks with an RMS norm before each part, grouped attention over queries and keys that
    are turned by their positions (halves), and W3 (silu(W1 x) * W2 x); at the end a norm and a
    dense layer. Nothing has a bias. With `window` it is a model after Mistral.

    Args:
        vocab_size: V, number of tokens.
        dim: D, width.
        num_heads: H, number of attention heads; it divides D.
        num_layers: L, number of blocks.
        hidden_dim: width inside the dense blocks.
        num_kv_heads: number of heads of keys and values, a divisor of H; H by default.
        tied: whether the logits are W' x, with W the table of tokens, without a layer of their
            own.
        theta: the base of the rotary frequencies.
        rotary_scaling: how they change for longer sequences, as in `pax.RotaryEmbed`.
        window: how many places attention sees, the own one included; all by default.
        eps: added to the mean square in the norms.
        remat: as in `pax.Stack`.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> net = pax.nets.Llama(
        ...     100, dim=8, num_heads=2, num_layers=2, hidden_dim=16, num_kv_heads=1
        ... )
        >>> tokens = jnp.array([[5, 3, 8], [7, 2, 0]])
        >>> net(tokens).shape
        (2, 3, 100)
        >>> pax.generation.generate(net, tokens, max_new_tokens=4).tokens.shape
        (2, 4)
    Source: Touvron et al., "LLaMA: open and efficient foundation language models", 2023 (arXiv
        2302.13971).
    """

    tokens: Embed
    blocks: Any
    norm: RMSNorm
    logits: Linear | None

    def __init__(
        self,
        vocab_size: int,
        *,
        dim: int,
        num_heads: int,
        num_layers: int,
        hidden_dim: int,
        num_kv_heads: int | None = None,
        tied: bool = False,
        theta: float = 10_000.0,
        rotary_scaling: F.RotaryScaling | None = None,
        window: int | None = None,
        eps: float = 1e-5,
        remat: Any = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        sizes = {"dim": dim, "num_heads": num_heads, "num_layers": num_layers}
        arguments.sizes("Llama", vocab_size=vocab_size, hidden_dim=hidden_dim, **sizes)
        arguments.flags("Llama", tied=tied)
        arguments.heads_of("Llama", dim, num_heads)
        self.vocab_size = vocab_size
        self.dim = dim
        self.num_heads = num_heads
        self.num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        self.num_layers = num_layers
        layer_keys = keys.for_layers(rng_key)
        w_init = initializers.normal(STDDEV)
        position = RotaryEmbed(dim // num_heads, theta=theta, scaling=rotary_scaling)

        def make_block(rng_key: Any = None) -> TransformerBlock:
            block_keys = keys.for_layers(rng_key)
            attention = MultiHeadAttention(
                num_heads,
                dim // num_heads,
                STDDEV**2 * dim,
                num_kv_heads=num_kv_heads,
                with_bias=False,
                window=window,
                position=position,
                rng_key=next(block_keys),
            )
            dense = Sequential(
                SwiGLU(dim, hidden_dim, False, w_init, rng_key=next(block_keys)),
                Linear(hidden_dim, dim, False, w_init, rng_key=next(block_keys)),
            )
            return TransformerBlock(attention, dense, norm, is_causal=True)

        def norm(dim: int) -> RMSNorm:
            return RMSNorm(dim, eps=eps)

        self.tokens = Embed(vocab_size, dim, w_init, rng_key=next(layer_keys))
        self.blocks = Stack(make_block, num_layers, remat, rng_key=next(layer_keys))
        self.norm = norm(dim)
        self.logits = None
        if not tied:
            self.logits = Linear(dim, vocab_size, False, w_init, rng_key=next(layer_keys))

    def __call__(
        self, tokens: Integer[ArrayLike, "*B T"], **options: Any
    ) -> Float[Array, "*B T {self.vocab_size}"]:
        """Computes the logits of the token after each.

        Args:
            tokens: integers in [0, V), shape [..., T], padded on the right if at all.
            options: what attention gets besides, such as `segment_ids` and `positions`.
        Returns:
            Shape [..., T, V].
        Raises:
            DtypeError: if tokens are not integers.
        """
        return self._scores(self.blocks(self.tokens(tokens), **options))

    def make_cache(self, batch_size: int, max_length: int, *, dtype: Any = None) -> Any:
        """Returns a cache of no tokens, for `decode`.

        Args:
            batch_size: B.
            max_length: the most tokens of a row.
            dtype: of keys and values; by default that of the weights.
        Returns:
            The caches of the blocks.
        Raises:
            ArgumentError: if a size cannot be right.
        """
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
        x, cache = self.blocks.decode(self.tokens(tokens), cache, lengths=lengths)
        return self._scores(x), cache

    def _scores(self, x: Array) -> Array:
        x = self.norm(x)
        return self.tokens.attend(x) if self.logits is None else self.logits(x)

    def __repr__(self) -> str:
        return self._repr(
            {
                "vocab_size": self.vocab_size,
                "dim": self.dim,
                "num_heads": self.num_heads,
                "num_kv_heads": self.num_kv_heads,
                "num_layers": self.num_layers,
            }
        )
