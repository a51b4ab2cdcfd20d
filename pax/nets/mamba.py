"""A language model of selective state spaces, without attention."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Array, ArrayLike, Float, Integer

import pax.initializers as initializers
from pax._core import CallError, Module, ShapeError, arguments
from pax.nets import keys, token_counts
from pax.nets.mamba_block import MambaBlock, MambaCache
from pax.nn import Embed, RMSNorm, Stack


class Mamba(Module):
    """A language model that reads from left to right, in time and memory linear in the length.

    Tokens are embedded, then come blocks x <- x + out(scan(conv(x')) * silu(z)), x' and z the
    halves of in(norm(x)), then a norm; the logits are the products with the vectors of the tokens.
    conv is causal, over each channel alone, with silu after it. scan is
    `pax.functional.selective_scan` with b, c and a vector of step_rank numbers from one dense layer
    of its input, and delta the softplus of a dense layer of that vector; to it is added skip times
    its input. All norms are those of `RMSNorm`.

    Args:
        vocab_size: V, number of tokens.
        dim: D, width between the blocks.
        num_layers: number of blocks; their last layers start with variance 1 / num_layers over the
            number of their inputs.
        state_dim: N, numbers of the state of each channel; their rates start at -1 to -N.
        expansion: inside a block are expansion * dim channels.
        conv_width: W, width of the convolution.
        step_rank: see above; by default dim / 16, rounded up.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer.
    Example:
        >>> net = pax.nets.Mamba(10, 8, 2, state_dim=4)
        >>> tokens = jnp.array([[1, 2, 3]])
        >>> net(tokens).shape
        (1, 3, 10)
        >>> logits, cache = net.decode(tokens[:, :2], net.make_cache(1, 3))
        >>> logits, cache = net.decode(tokens[:, 2:], cache)
        >>> logits.shape
        (1, 1, 10)
    Source: Gu and Dao, "Mamba: linear-time sequence modeling with selective state spaces", 2023
        (arXiv 2312.00752).
    """

    embed: Embed
    blocks: Stack
    norm: RMSNorm

    def __init__(
        self,
        vocab_size: int,
        dim: int,
        num_layers: int,
        *,
        state_dim: int = 16,
        expansion: int = 2,
        conv_width: int = 4,
        step_rank: int | None = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("Mamba", vocab_size=vocab_size, dim=dim, num_layers=num_layers)
        step_rank = -(-dim // 16) if step_rank is None else step_rank
        arguments.sizes(
            "Mamba",
            state_dim=state_dim,
            expansion=expansion,
            conv_width=conv_width,
            step_rank=step_rank,
        )
        self.vocab_size = vocab_size
        self.dim = dim
        self.num_layers = num_layers
        rng_keys = keys.for_layers(rng_key)
        w_init = initializers.normal(0.02)
        self.embed = Embed(vocab_size, dim, w_init, rng_key=next(rng_keys))
        sizes = (dim, state_dim, expansion * dim, conv_width, step_rank, 1 / num_layers)
        self.blocks = Stack(
            lambda **options: MambaBlock(*sizes, **options), num_layers, rng_key=next(rng_keys)
        )
        self.norm = RMSNorm(dim)

    def __call__(self, x: Integer[ArrayLike, "B T"]) -> Float[Array, "B T V"]:
        """Returns the logits of each token's successor.

        Args:
            x: tokens, shape [B, T], integers in [0, vocab_size).
        Returns:
            Logits, shape [B, T, V].
        Raises:
            DtypeError: if x is not an array of integers.
            ShapeError: if x has another rank.
        """
        if np.ndim(x) != 2:
            raise ShapeError(
                f"{self!r} got tokens of shape {np.shape(x)}; expected [B, T].",
                "add the batch axis with x[None].",
            )
        return self._logits(self.blocks(self.embed(x)))

    def make_cache(self, batch_size: int, max_length: int) -> MambaCache:
        """Returns the cache of no tokens, for `decode`.

        Args:
            batch_size: B.
            max_length: for how many tokens; the cache has one size for all lengths.
        Returns:
            The last inputs of all convolutions, [B, num_layers, W - 1, expansion D], and the states
            of all scans, [B, num_layers, N, expansion D].
        Raises:
            ArgumentError: if batch_size is not an integer of at least 0, or max_length none of at
                least 1.
        """
        arguments.integer("Mamba.make_cache", "batch_size", batch_size, at_least=0)
        arguments.integer("Mamba.make_cache", "max_length", max_length, at_least=1)
        return self.blocks.make_cache(batch_size)

    def decode(
        self,
        x: Integer[ArrayLike, "B T"],
        cache: MambaCache,
        *,
        lengths: Integer[ArrayLike, "B"] | None = None,
    ) -> tuple[Float[Array, "B T V"], MambaCache]:
        """Reads the next tokens.

        Args:
            x: tokens, shape [B, T].
            cache: what `make_cache` or the last call returned.
            lengths: how many of the T places of each row hold tokens, the first ones, shape [B];
                all by default. Logits after them have no meaning.
        Returns:
            Logits, shape [B, T, V], and the cache after the tokens. Where a compiled program finds
            lengths that are not from 0 to T, the logits of their rows are NaN.
        Raises:
            ArgumentError: if lengths are not from 0 to T, where their values are known.
            CallError: if cache is no MambaCache.
            DtypeError: if x or lengths are not integers.
            ShapeError: if x has another rank, x and cache are not of as many rows, or lengths have
                another shape than [B].
        """
        if not isinstance(cache, MambaCache):
            raise CallError(
                f"{self!r} got a cache of type {type(cache).__name__}; expected MambaCache.",
                "start with cache = net.make_cache(batch_size, max_length).",
            )
        token_counts.check_rows(self, x, cache.state.shape[0])
        counts = token_counts.checked(self, x, lengths)
        y, cache = self.blocks.decode(self.embed(x), cache, lengths=counts)
        return token_counts.or_nan(self._logits(y), counts), cache

    def _logits(self, x: Array) -> Array:
        return self.embed.attend(self.norm(x))

    def __repr__(self) -> str:
        return self._repr(
            {"vocab_size": self.vocab_size, "dim": self.dim, "num_layers": self.num_layers}
        )
