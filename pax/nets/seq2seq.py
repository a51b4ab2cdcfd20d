"""A recurrent network from sequence to sequence, with attention."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Integer

import pax.functional as F
from pax._core import Module, arguments, note_part
from pax.nets import keys, token_counts
from pax.nn import GRU, AdditiveAttention, Bidirectional, Embed, GRUState, Linear


class Seq2SeqCache(NamedTuple):
    """What a `Seq2Seq` remembers between steps of decoding.

    Args:
        hidden: state of the decoder, shape [B, hidden_dim].
        source: what the encoder has made of the source, shape [B, S, 2 hidden_dim].
        keys: the same as the attention compares it, shape [B, S, hidden_dim].
        mask: where the source holds a token, shape [B, S].
    Example:
        >>> net = pax.nets.Seq2Seq(20, 30, embed_dim=4, hidden_dim=8)
        >>> net.make_cache(2, 10, source=jnp.zeros((2, 5), jnp.int32)).source.shape
        (2, 5, 16)
    """

    hidden: Float[Array, "B hidden_dim"]
    source: Float[Array, "B S double"]
    keys: Float[Array, "B S hidden_dim"]
    mask: Bool[Array, "B S"]


class Seq2Seq(Module):
    """A recurrent encoder, and a decoder that attends to it: tokens in, logits of others out.

    The encoder is a `Bidirectional` of two `GRU`s over the vectors of the source. The decoder's
    first state is tanh(W b), with b the last state of the backward cell. At each step, with h the
    state before, c = attention(h, source); h' = GRU(h, [y, c]), y the vector of the token; the
    logits are a dense layer of [h', c, y]. By default the sizes are those of the paper, whose
    logits go through one layer more.

    Args:
        source_vocab_size: number of tokens of sources.
        target_vocab_size: V, number of tokens of targets.
        embed_dim: size of the vectors of tokens.
        hidden_dim: size of each state, and width of the attention.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer.
    Example:
        >>> net = pax.nets.Seq2Seq(20, 30, embed_dim=4, hidden_dim=8)
        >>> source, target = jnp.array([[5, 3, 8, 1]]), jnp.array([[0, 7, 9]])
        >>> net(source, target).shape
        (1, 3, 30)
        >>> cache = net.make_cache(1, max_length=10, source=source)
        >>> logits, cache = net.decode(target, cache)
        >>> logits.shape
        (1, 3, 30)
    Source: Bahdanau et al., "Neural machine translation by jointly learning to align and
        translate", 2014 (arXiv 1409.0473).
    """

    source_embed: Embed
    encoder: Bidirectional
    bridge: Linear
    target_embed: Embed
    attention: AdditiveAttention
    cell: GRU
    logits: Linear

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        *,
        embed_dim: int = 620,
        hidden_dim: int = 1000,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        sizes = {"embed_dim": embed_dim, "hidden_dim": hidden_dim}
        arguments.sizes(
            "Seq2Seq",
            source_vocab_size=source_vocab_size,
            target_vocab_size=target_vocab_size,
            **sizes,
        )
        self.source_vocab_size = source_vocab_size
        self.target_vocab_size = target_vocab_size
        self.embed_dim = embed_dim
        self.hidden_dim = hidden_dim
        layer_keys = keys.for_layers(rng_key)
        self.source_embed = Embed(source_vocab_size, embed_dim, rng_key=next(layer_keys))
        self.encoder = Bidirectional(
            GRU(embed_dim, hidden_dim, rng_key=next(layer_keys)),
            GRU(embed_dim, hidden_dim, rng_key=next(layer_keys)),
        )
        self.bridge = Linear(hidden_dim, hidden_dim, rng_key=next(layer_keys))
        self.target_embed = Embed(target_vocab_size, embed_dim, rng_key=next(layer_keys))
        self.attention = AdditiveAttention(
            hidden_dim, 2 * hidden_dim, hidden_dim, rng_key=next(layer_keys)
        )
        width = embed_dim + 2 * hidden_dim
        self.cell = GRU(width, hidden_dim, rng_key=next(layer_keys))
        self.logits = Linear(width + hidden_dim, target_vocab_size, rng_key=next(layer_keys))

    def __call__(
        self,
        source: Integer[ArrayLike, "B S"],
        target: Integer[ArrayLike, "B T"],
        source_lengths: Integer[ArrayLike, "B"] | None = None,
    ) -> Float[Array, "B T {self.target_vocab_size}"]:
        """Scores each next token of a target.

        Args:
            source: tokens in [0, source_vocab_size), shape [B, S].
            target: tokens in [0, V), shape [B, T]; the logits at place t are of the token after
                it, so it starts with a token that stands for the beginning.
            source_lengths: how many tokens of each source there are, 1 to S, from the left; by
                default all.
        Returns:
            Shape [B, T, V].
        Raises:
            ArgumentError: if lengths are not from 1 to S, where their values are known.
            DtypeError: if tokens or lengths are not integers.
            ShapeError: if shapes do not fit.
        """
        return self.decode(target, self._read(source, source_lengths))[0]

    def make_cache(
        self,
        batch_size: int,
        max_length: int,
        *,
        source: Integer[ArrayLike, "B S"],
        source_lengths: Integer[ArrayLike, "B"] | None = None,
    ) -> Seq2SeqCache:
        """Returns a cache of no tokens of the target, for `decode`; it encodes the source.

        Args:
            batch_size: B.
            max_length: not used: the state is of one size whatever the length.
            source: tokens, shape [B, S].
            source_lengths: as in a call.
        Returns:
            The cache.
        Raises:
            ArgumentError: as in a call, or if a size cannot be right.
            ShapeError: if source has not B rows.
        """
        arguments.integer("Seq2Seq.make_cache", "batch_size", batch_size, at_least=0)
        arguments.sizes("Seq2Seq.make_cache", max_length=max_length)
        token_counts.check_rows(self, source, batch_size)
        return self._read(source, source_lengths)

    def decode(
        self,
        tokens: Integer[ArrayLike, "B T"],
        cache: Seq2SeqCache,
        *,
        lengths: Integer[ArrayLike, "B"] | None = None,
    ) -> tuple[Float[Array, "B T {self.target_vocab_size}"], Seq2SeqCache]:
        """Reads the next tokens of the target.

        Args:
            tokens: the next tokens, shape [B, T].
            cache: what `make_cache` or the last call returned.
            lengths: how many of the T places of each row hold tokens, 0 to T, from the left, [B];
                by default all. The logits of the others have no meaning. Rows whose length a
                compiled program finds to be another have logits of NaN.
        Returns:
            The logits, shape [B, T, V], and the cache with the tokens.
        Raises:
            ArgumentError: if lengths are not from 0 to T, where their values are known.
            DtypeError: if tokens or lengths are not integers.
            ShapeError: if shapes do not fit.
        """
        token_counts.check_rows(self, tokens, cache.hidden.shape[0])
        counts = token_counts.checked(self, tokens, lengths)
        vectors = self.target_embed(tokens)
        inside = token_counts.inside(vectors.shape[:2], counts)
        steps = vectors.swapaxes(0, 1), inside.swapaxes(0, 1)
        hidden, found = _decoded(self.attention, self.cell, cache, steps)
        logits = self.logits(found.swapaxes(0, 1))
        return token_counts.or_nan(logits, counts), cache._replace(hidden=hidden)

    def _read(self, source: Any, lengths: Any) -> Seq2SeqCache:
        """Returns what the decoder starts from."""
        vectors = self.source_embed(source)
        (_, backward), read = self.encoder(vectors, lengths=lengths)
        hidden = jnp.tanh(self.bridge(backward.hidden))
        mask = token_counts.inside(vectors.shape[:2], token_counts.checked(self, source, lengths))
        keys_of_source = self.attention.key_projection(read).astype(read.dtype)
        return Seq2SeqCache(hidden, read, keys_of_source, mask)

    def __repr__(self) -> str:
        names = ("source_vocab_size", "target_vocab_size", "embed_dim", "hidden_dim")
        return self._repr({name: getattr(self, name) for name in names})


@functools.partial(jax.jit, inline=True)  # eagerly, compiled once
def _decoded(attention: Any, cell: Any, cache: Seq2SeqCache, steps: Any) -> tuple[Array, Array]:
    """Returns the state of the decoder after some steps, and [h', c, y] of all, time first."""
    note_part("attention", attention)
    note_part("cell", cell)
    # a policy of precision may give parts and state different dtypes
    dtype, mask = cache.source.dtype, cache.mask[:, None]
    weight = attention.weight.astype(dtype)

    def step(hidden: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        vector, is_token = now
        query = attention.query_projection(hidden)[:, None].astype(dtype)
        seen = F.additive_attention(query, cache.keys, cache.source, weight, mask)[:, 0]
        given = jnp.concatenate([vector, seen.astype(vector.dtype)], axis=-1)
        (new,), y = cell(GRUState(hidden), given)
        found = jnp.concatenate([y.astype(vector.dtype), given], axis=-1)
        return jnp.where(is_token[:, None], new, hidden), found

    return jax.lax.scan(step, cache.hidden, steps)
