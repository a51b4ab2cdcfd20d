"""Small models with the decoding interface, of which everything is known."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import pax


class Table(pax.ParameterModule):
    """A Markov chain of order two: the logits are those of a table at the last two tokens.

    Before the first token comes token 0. `traces` counts how often decode is traced.
    """

    logits: Any
    traces = itertools.count()

    def __init__(self, vocab_size: int, seed: int = 0, scale: float = 1.0) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        self.logits = jnp.asarray(scale * rng.standard_normal((vocab_size,) * 3), jnp.float32)

    def make_cache(self, batch_size: int, max_length: int) -> Any:
        return {"before": jnp.zeros(batch_size, jnp.int32)}

    def decode(self, tokens: Any, cache: Any, *, lengths: Any = None) -> Any:
        next(Table.traces)
        seen = jnp.concatenate([cache["before"][:, None], tokens], axis=1)
        count = jnp.full(len(tokens), tokens.shape[1]) if lengths is None else lengths
        before = jnp.take_along_axis(seen, count[:, None], axis=1)[:, 0]
        return self.logits[seen[:, :-1], seen[:, 1:]], {"before": before}

    def probabilities(self, before: int, last: int) -> np.ndarray:
        """Returns the distribution of the next token in float64."""
        return softmax(np.asarray(self.logits[before, last], np.float64))


class Places(NamedTuple):
    """A cache of places, as those of attention: what stands at each position."""

    key: Any  # [B, S]
    positions: Any  # [B, S]
    length: Any  # [B]


class Window(Table):
    """The same chain over a cache of places, of which `size` are there: a ring."""

    def __init__(self, *args: Any, size: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.size = size

    def make_cache(self, batch_size: int, max_length: int) -> Any:
        size = max_length if self.size is None else min(self.size, max_length)
        zeros = jnp.zeros((batch_size, size), jnp.int32)
        return Places(zeros, zeros - 1, jnp.zeros(batch_size, jnp.int32))

    def decode(self, tokens: Any, cache: Any, *, lengths: Any = None) -> Any:
        batch, time = tokens.shape
        size = cache.key.shape[1]
        count = jnp.full(batch, time, jnp.int32) if lengths is None else lengths
        steps = jnp.arange(time, dtype=jnp.int32)[None, :]
        at = cache.length[:, None] + steps
        # the token before the first is the one at the last position
        is_before = cache.positions == cache.length[:, None] - 1
        before = jnp.sum(jnp.where(is_before, cache.key, 0), axis=1, dtype=jnp.int32)
        seen = jnp.concatenate([before[:, None], tokens], axis=1)
        slots = jnp.where(steps < count[:, None], at % size, size)
        rows = jnp.arange(batch)[:, None]
        new = Places(
            cache.key.at[rows, slots].set(tokens, mode="drop"),
            cache.positions.at[rows, slots].set(at, mode="drop"),
            cache.length + count,
        )
        return self.logits[seen[:, :-1], seen[:, 1:]], new


class Sourced(Window):
    """The same chain, whose tokens move up by the number of places that it sees of a source."""

    def make_cache(self, batch_size: int, max_length: int) -> Any:
        seen = jnp.where(jnp.arange(30) % 2 == 0, -1, jnp.arange(30))
        positions = jnp.tile(seen[None], (batch_size, 1))
        source = Places(positions, positions, jnp.sum(positions >= 0, axis=1, dtype=jnp.int32))
        return super().make_cache(batch_size, max_length), source

    def decode(self, tokens: Any, cache: Any, *, lengths: Any = None) -> Any:
        logits, new = super().decode(tokens, cache[0], lengths=lengths)
        count = jnp.sum(cache[1].positions >= 0, axis=1)[:, None, None]
        vocab_size = logits.shape[-1]
        moved = (jnp.arange(vocab_size)[None, None] + count) % vocab_size
        moved = jnp.broadcast_to(moved, logits.shape)
        return jnp.take_along_axis(logits, moved, axis=-1), (new, cache[1])


class Recurrent(pax.Module):
    """A language model whose cache is the state of a recurrent cell."""

    embed: pax.Embed
    cell: pax.GRU
    head: pax.Linear

    def __init__(self, vocab_size: int, dim: int) -> None:
        super().__init__()
        self.embed = pax.Embed(vocab_size, dim)
        self.cell = pax.GRU(dim, dim)
        self.head = pax.Linear(dim, vocab_size)

    def make_cache(self, batch_size: int, max_length: int) -> Any:
        return self.cell.initial_state(batch_size)

    def decode(self, tokens: Any, cache: Any, *, lengths: Any = None) -> Any:
        count = jnp.full(len(tokens), tokens.shape[1]) if lengths is None else lengths
        outputs = []
        for t in range(tokens.shape[1]):
            new, y = self.cell(cache, self.embed(tokens[:, t]))
            cache = pax.GRUState(jnp.where((t < count)[:, None], new.hidden, cache.hidden))
            outputs.append(self.head(y))
        return jnp.stack(outputs, axis=1), cache


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities along the last axis."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the joint distribution of two tokens from that of one and those after each."""
    return first[:, None] * second


def chi_square(tokens: np.ndarray, expected: np.ndarray) -> float:
    """Returns how far counts of rows of tokens are from their joint distribution.

    Divided by what is exceeded once in ten thousand times where the distribution is right: the
    normal approximation of Wilson and Hilferty.
    """
    counts = np.zeros(expected.shape)
    np.add.at(counts, tuple(tokens.T), 1)
    mean = expected * len(tokens)
    assert not counts[mean == 0].any()
    there = mean > 0
    statistic = ((counts - mean)[there] ** 2 / mean[there]).sum()
    free = there.sum() - 1
    limit = free * (1 - 2 / (9 * free) + 3.72 * np.sqrt(2 / (9 * free))) ** 3
    return float(statistic / limit)
