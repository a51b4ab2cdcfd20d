"""The search for likely sequences, several at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int32

from pax.generation import inputs
from pax.generation.interface import (
    check_room,
    check_vocabulary,
    decoded,
    evaluated,
    is_one_of,
    prefill,
)


class Beams(NamedTuple):
    """What `beam_search` returns: sequences of each row, the best first.

    Args:
        tokens: shape [B, num_beams, N], new tokens with the one that stopped the sequence, then
            -1.
        lengths: shape [B, num_beams], how many new tokens each has; 0 where there is no sequence.
        scores: shape [B, num_beams], log probability over length^length_penalty; -inf where there
            is no sequence.
        log_probs: shape [B, num_beams], the logarithm of the probability of each sequence.
    Example:
        >>> pax.generation.Beams._fields
        ('tokens', 'lengths', 'scores', 'log_probs')
    """

    tokens: Int32[Array, "B K N"]
    lengths: Int32[Array, "B K"]
    scores: Float[Array, "B K"]
    log_probs: Float[Array, "B K"]


def beam_search(
    model: Any,
    prompt: ArrayLike,
    *,
    max_new_tokens: int,
    num_beams: int,
    length_penalty: ArrayLike = 1.0,
    stop_tokens: int | Sequence[int] = (),
    lengths: ArrayLike | None = None,
    cache: Any = None,
) -> Beams:
    """Searches for the sequences of the best score, and returns `num_beams` of them a row.

    score = log probability / length^length_penalty, of the new tokens with the one that stops. At
    each step the `num_beams` likeliest sequences that have not stopped go on, and of those that
    have the `num_beams` best are kept. It ends at N tokens, or once none can become better. The
    caches are taken by rows: the first axis of each of their arrays must be the batch.

    Args:
        model: a module with `make_cache` and `decode`; it is called in evaluation mode.
        prompt: tokens, integers of shape [B, T].
        max_new_tokens: N, how many tokens a sequence gets at most.
        num_beams: how many sequences are followed in each row.
        length_penalty: 0 ranks by probability, which favours short sequences; more favours
            longer ones.
        stop_tokens: a sequence ends with one of these.
        lengths: shape [B], how many of the T tokens are there, from the left; by default all.
        cache: what the model has decoded before; by default `make_cache(B, T + N)`.
    Returns:
        The sequences, the best first. Logits that are NaN give none.
    Raises:
        ArgumentError: if an argument cannot be right; so do DtypeError and ShapeError.
    Example:
        >>> class Count(pax.Module):
        ...     make_cache = lambda self, batch_size, max_length: ()
        ...     decode = lambda self, x, cache, lengths: (jax.nn.one_hot(x + 1, 10), cache)
        >>> beams = pax.generation.beam_search(
        ...     Count(), jnp.array([[3]]), max_new_tokens=4, num_beams=2, stop_tokens=6
        ... )
        >>> print(beams.tokens[0, 0])
        [ 4  5  6 -1]
    """
    inputs.model("beam_search", "model", model)
    prompt, lengths = inputs.prompt("beam_search", prompt, lengths)
    penalty = inputs.length_penalty("beam_search", length_penalty)
    static = inputs.static("beam_search", max_new_tokens, stop_tokens, num_beams=num_beams)
    check_room("beam_search", model, cache, prompt, lengths, max_new_tokens)
    return _found(model, prompt, lengths, cache, penalty, **static)


class _Sequences(NamedTuple):
    """Sequences [B, K] with their scores; those of -inf are none."""

    tokens: Array  # [B, K, N]
    lengths: Array  # [B, K]
    scores: Array  # [B, K]
    log_probs: Array  # [B, K]


class _Search(NamedTuple):
    """What the loop carries."""

    step: Array
    last: Array  # [B, K], the tokens that come next into the model
    live: Array  # [B, K, N], the sequences that have not stopped
    live_log_probs: Array  # [B, K]
    kept: _Sequences  # the best of those that have
    cache: Any  # of B K rows


@partial(jax.jit, static_argnames=("max_new_tokens", "num_beams", "stop_tokens"))
def _found(
    model: Any,
    prompt: Array,
    lengths: Array | None,
    cache: Any,
    length_penalty: Array,
    *,
    max_new_tokens: int,
    num_beams: int,
    stop_tokens: tuple[int, ...],
) -> Beams:
    model = evaluated(model)
    batch, time = prompt.shape
    last, cache = prefill("beam_search", model, prompt, lengths, cache, time + max_new_tokens)

    def body(search: _Search) -> _Search:
        tokens = search.last.reshape(-1, 1)
        logits, cache = decoded("beam_search", model, tokens, search.cache, None)
        check_vocabulary("beam_search", logits, None, stop_tokens)
        log_probs = _totals(search.live_log_probs, logits)
        return _advanced(search._replace(cache=cache), log_probs, length_penalty, stop_tokens)

    def goes_on(search: _Search) -> Array:
        # what goes on only gets less likely; its length at the end is the one that suits it
        longest = jnp.where(length_penalty > 0, max_new_tokens, search.step + 1)
        best = _score(search.live_log_probs.max(axis=1), longest, length_penalty)
        return (search.step < max_new_tokens) & jnp.any(best > search.kept.scores.min(axis=1))

    shape = (batch, num_beams)
    none = jnp.full((*shape, max_new_tokens), -1, jnp.int32)
    nothing = jnp.full(shape, -jnp.inf)
    search = jax.lax.while_loop(
        goes_on,
        body,
        _Search(
            jnp.zeros((), jnp.int32),
            jnp.broadcast_to(last[:, None], shape),
            none,
            nothing.at[:, 0].set(0),  # one sequence so far, without tokens
            _Sequences(none, jnp.zeros(shape, jnp.int32), nothing, nothing),
            jax.tree.map(lambda x: jnp.repeat(x, num_beams, axis=0), cache),
        ),
    )
    size = jnp.asarray(max_new_tokens, jnp.int32)
    unstopped = _scored(search.live, search.live_log_probs, size, length_penalty)
    # where the loop ended early, none of these can be among the best
    whole = jnp.where(search.step == max_new_tokens, unstopped.scores, -jnp.inf)
    return Beams(*_best(search.kept, unstopped._replace(scores=whole)))


def _advanced(
    search: _Search, log_probs: Array, length_penalty: Array, stop_tokens: tuple[int, ...]
) -> _Search:
    """Returns the search with one more token; `log_probs` [B, K, V] are those with it."""
    size, kept = search.step + 1, search.kept
    for token in stop_tokens:
        ended = search.live.at[:, :, search.step].set(token)
        kept = _best(kept, _scored(ended, log_probs[:, :, token], size, length_penalty))
    goes_on = ~is_one_of(jnp.arange(log_probs.shape[-1], dtype=jnp.int32), stop_tokens)
    log_probs = jnp.where(goes_on[None, None, :], log_probs, -jnp.inf)
    beams, last, top = _likeliest(log_probs)
    live = jnp.take_along_axis(search.live, beams[:, :, None], axis=1)
    live = live.at[:, :, search.step].set(last)
    return _Search(size, last, live, top, kept, _rows_of(search.cache, beams))


def _totals(before: Array, logits: Array) -> Array:
    """Returns the log probabilities [B, K, V] of sequences with one more token; NaN is -inf."""
    wide = jax.nn.log_softmax(logits[:, 0].astype(before.dtype), axis=-1)
    total = before[:, :, None] + wide.reshape(*before.shape, -1)
    return jnp.where(jnp.isnan(total), -jnp.inf, total)


def _likeliest(log_probs: Array) -> tuple[Array, Array, Array]:
    """Returns beam, token and log probability of the likeliest of [B, K, V], each [B, K]."""
    batch, beams, vocab_size = log_probs.shape
    top, places = jax.lax.top_k(log_probs.reshape(batch, beams * vocab_size), beams)
    return places // vocab_size, places % vocab_size, top


def _rows_of(cache: Any, beams: Array) -> Any:
    """Returns the cache of B K rows with those of other beams of the same row of the batch."""
    batch, num_beams = beams.shape
    first = jnp.arange(batch, dtype=jnp.int32)[:, None] * num_beams
    rows = (first + beams).reshape(-1)
    return jax.tree.map(lambda x: x[rows], cache)


def _score(log_probs: Array, length: Array, length_penalty: Array) -> Array:
    return log_probs / length.astype(log_probs.dtype) ** length_penalty


def _scored(tokens: Array, log_probs: Array, length: Array, length_penalty: Array) -> _Sequences:
    """Returns sequences of one length with their scores; what is impossible has none."""
    scores = _score(log_probs, length, length_penalty)
    lengths = jnp.where(scores > -jnp.inf, length, 0)
    tokens = jnp.where(lengths[:, :, None] > 0, tokens, -1)
    return _Sequences(tokens, lengths, scores, log_probs)


def _best(first: _Sequences, second: _Sequences) -> _Sequences:
    """Returns the best sequences of two sets, as many as the first has."""
    both = jax.tree.map(lambda x, y: jnp.concatenate([x, y], axis=1), first, second)
    _, places = jax.lax.top_k(both.scores, first.scores.shape[1])
    return _Sequences(
        jnp.take_along_axis(both.tokens, places[:, :, None], axis=1),
        *(jnp.take_along_axis(x, places, axis=1) for x in both[1:]),
    )
