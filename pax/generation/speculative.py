"""Sampling from a model with the help of a cheaper one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int32

from pax.generation import inputs, sampling
from pax.generation.interface import check_vocabulary, decoded, evaluated, is_one_of, prefill
from pax.generation.rewinding import can_rewind, rewound
from pax.generation.sampling import Sampling


class Speculated(NamedTuple):
    """What `speculative` returns.

    Args:
        tokens: shape [B, N], the new tokens of each row with the one that stopped it, then -1.
        lengths: shape [B], how many new tokens each row has.
        log_probs: shape [B, N], the logarithm of the probability of each token as the model
            gives it, before temperature and filters; 0 behind the last.
        num_drafted: shape [B], how many tokens of the draft the model has looked at.
        num_accepted: shape [B], how many of them are among the tokens.
    Example:
        >>> pax.generation.Speculated._fields
        ('tokens', 'lengths', 'log_probs', 'num_drafted', 'num_accepted')
    """

    tokens: Int32[Array, "B N"]
    lengths: Int32[Array, "B"]
    log_probs: Float[Array, "B N"]
    num_drafted: Int32[Array, "B"]
    num_accepted: Int32[Array, "B"]


def speculative(
    model: Any,
    draft: Any,
    prompt: ArrayLike,
    *,
    max_new_tokens: int,
    num_draft_tokens: int = 4,
    lengths: ArrayLike | None = None,
    temperature: ArrayLike | None = None,
    top_k: ArrayLike | None = None,
    top_p: ArrayLike | None = None,
    min_p: ArrayLike | None = None,
    stop_tokens: int | Sequence[int] = (),
    rng_key: Any = None,
) -> Speculated:
    """Generates tokens of the distribution of `generate`, with fewer calls of the model.

    In a round the draft proposes tokens, and the model looks at all of them at once. Token d is
    kept with probability min(1, p(d) / q(d)), p and q being what the model and the draft draw
    from. The first that is not kept is drawn anew from max(p - q, 0); if all are, one more from p.

    Args:
        model: a module with `make_cache` and `decode`; it is called in evaluation mode.
        draft: another, with the same tokens.
        prompt: tokens, integers of shape [B, T].
        max_new_tokens: N, how many tokens a row gets at most.
        num_draft_tokens: how many tokens the draft proposes in a round.
        lengths: shape [B], how many of the T tokens are there, from the left; by default all.
        temperature: as in `generate`, for the model and the draft, and so are the filters.
        top_k: see `pax.generation.top_k`.
        top_p: see `pax.generation.top_p`.
        min_p: see `pax.generation.min_p`.
        stop_tokens: a row ends behind one of these.
        rng_key: random key; without it the tokens are those of `generate`, but for rounding.
    Returns:
        The tokens, and how many of the draft's were good.
    Raises:
        ArgumentError: if an argument cannot be right; so do DtypeError and ShapeError.
    Example:
        >>> class Count(pax.Module):
        ...     make_cache = lambda self, batch_size, max_length: ()
        ...     decode = lambda self, x, cache, lengths: (jax.nn.one_hot(x + 1, 10), cache)
        >>> x = jnp.array([[3]])
        >>> pax.generation.speculative(Count(), Count(), x, max_new_tokens=5).num_accepted
        Array([4], dtype=int32)
    Source: Leviathan et al., "Fast inference from transformers via speculative decoding", 2022
        (arXiv 2211.17192).
    """
    for argument, value in (("model", model), ("draft", draft)):
        inputs.model("speculative", argument, value)
    prompt, lengths = inputs.prompt("speculative", prompt, lengths)
    numbers = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
    how = sampling.checked("speculative", prompt, rng_key, **numbers)
    sizes = {"num_draft_tokens": num_draft_tokens}
    static = inputs.static("speculative", max_new_tokens, stop_tokens, **sizes)
    return _speculated((model, draft), prompt, lengths, how, **static)


class _Rows(NamedTuple):
    """What the loop carries."""

    round: Array
    last: Array  # [B], the token that comes next into both models
    is_done: Array  # [B]
    out: Speculated
    caches: tuple[Any, Any]


class _Looked(NamedTuple):
    """What a round finds: up to D + 1 tokens for each row."""

    tokens: Array  # [B, D + 1], the last that counts is -1 where there is none to draw
    log_probs: Array  # [B, D + 1]
    num_kept: Array  # [B], how many of the draft's; one more follows
    caches: tuple[Any, Any]


@partial(jax.jit, static_argnames=("max_new_tokens", "num_draft_tokens", "stop_tokens"))
def _speculated(
    models: tuple[Any, Any],
    prompt: Array,
    lengths: Array | None,
    how: Sampling,
    *,
    max_new_tokens: int,
    num_draft_tokens: int,
    stop_tokens: tuple[int, ...],
) -> Speculated:
    models = (evaluated(models[0]), evaluated(models[1]))
    batch, time = prompt.shape
    room = time + max_new_tokens
    (last, model_cache), (_, draft_cache) = (
        prefill("speculative", model, prompt, lengths, None, room) for model in models
    )

    def body(rows: _Rows) -> _Rows:
        # the last token of all never goes into a model
        size = jnp.minimum(num_draft_tokens + 1, max_new_tokens - rows.out.lengths)
        size = jnp.where(rows.is_done, 0, size)
        looked = _look(models, rows, size, how.at(rows.round), num_draft_tokens, stop_tokens, room)
        count = jnp.where(rows.is_done, 0, _until_stop(looked, stop_tokens))
        newest = jnp.take_along_axis(looked.tokens, jnp.maximum(count - 1, 0)[:, None], axis=1)
        newest = newest[:, 0]
        is_done = rows.is_done | (newest < 0)
        out = _appended(rows.out, looked, count)
        out = out._replace(
            lengths=rows.out.lengths + count - ((count > 0) & (newest < 0)).astype(jnp.int32),
            num_drafted=rows.out.num_drafted + jnp.maximum(size - 1, 0),
            num_accepted=rows.out.num_accepted + jnp.minimum(looked.num_kept, count),
        )
        return _Rows(
            rows.round + 1,
            jnp.where(is_done, rows.last, newest),
            is_done | is_one_of(newest, stop_tokens) | (out.lengths >= max_new_tokens),
            out,
            looked.caches,
        )

    zeros = jnp.zeros(batch, jnp.int32)
    tokens, log_probs = (
        jnp.full((batch, max_new_tokens), -1, jnp.int32),
        jnp.zeros((batch, max_new_tokens)),
    )
    start = Speculated(tokens, zeros, log_probs, zeros, zeros)
    rows = _Rows(jnp.zeros((), jnp.int32), last, zeros > 0, start, (model_cache, draft_cache))
    return jax.lax.while_loop(lambda rows: ~jnp.all(rows.is_done), body, rows).out


def _look(
    models: tuple[Any, Any],
    rows: _Rows,
    size: Array,
    how: Sampling,
    num_draft_tokens: int,
    stop_tokens: tuple[int, ...],
    room: int,
) -> _Looked:
    """Lets the draft propose and the model judge.

    Args:
        models: the model and the draft.
        rows: where they are.
        size: [B], how many tokens may go into them, the last one and drafts.
        how: with the key of the round.
        num_draft_tokens: D.
        stop_tokens: checked here, where the number of tokens is known.
        room: how many tokens caches have to hold.
    """
    proposed, q, draft_cache = _propose(models[1], rows, size, how, num_draft_tokens)
    tokens = jnp.concatenate([rows.last[:, None], proposed[:, :-1]], axis=1)
    logits, model_cache = decoded("speculative", models[0], tokens, rows.caches[0], size)
    check_vocabulary("speculative", q, logits.shape[-1], stop_tokens)
    logits = logits.astype(rows.out.log_probs.dtype)
    p = jax.vmap(lambda z: _distribution(z, how), in_axes=1, out_axes=1)(logits)
    num_kept, following = _judge(p, q, proposed, size, how)
    is_end = jnp.arange(num_draft_tokens + 1, dtype=jnp.int32)[None, :] == num_kept[:, None]
    found = jnp.where(is_end, following[:, None], proposed)
    log_probs = jnp.where(found < 0, jnp.nan, sampling.log_probability(logits, found))
    kept = jnp.minimum(num_kept + 1, size)
    caches = tuple(
        _with_kept(*given, tokens, size, kept, room)
        for given in zip(models, rows.caches, (model_cache, draft_cache), strict=True)
    )
    return _Looked(found, log_probs, num_kept, caches)


def _propose(
    draft: Any, rows: _Rows, size: Array, how: Sampling, num_draft_tokens: int
) -> tuple[Array, Array, Any]:
    """Returns tokens [B, D + 1], what they are drawn from [B, D + 1, V], and the cache.

    The last token is not proposed: it comes of the one before going into the cache.
    """

    def step(carry: tuple[Array, Any], i: Array) -> tuple[Any, Any]:
        token, cache = carry
        written = (i < size).astype(jnp.int32)
        logits, cache = decoded("speculative", draft, token[:, None], cache, written)
        q = _distribution(logits[:, 0].astype(rows.out.log_probs.dtype), how)
        token = _drawn(q, how, i)
        # a draft that gives NaN has proposed nothing
        return (token, cache), (token, jnp.where(jnp.isnan(q), 0, q))

    steps = jnp.arange(num_draft_tokens + 1, dtype=jnp.int32)
    (_, cache), (tokens, q) = jax.lax.scan(step, (rows.last, rows.caches[1]), steps)
    return tokens.swapaxes(0, 1), q.swapaxes(0, 1), cache


def _judge(p: Array, q: Array, proposed: Array, size: Array, how: Sampling) -> tuple[Array, Array]:
    """Returns how many proposed tokens are kept, and the one that follows, or -1: both [B].

    Args:
        p: what the model draws from, [B, D + 1, V].
        q: what the draft has drawn from, the same shape.
        proposed: tokens [B, D + 1], the last of which does not count.
        size: [B], at most how many tokens there may be.
        how: with the key of the round.
    """
    time = p.shape[1]
    p_of, q_of = (jnp.take_along_axis(x, proposed[..., None], axis=2)[..., 0] for x in (p, q))
    # without a key, p and q are 0 or 1
    u = jnp.full(p_of.shape, 0.5)
    if how.rng_key is not None:
        u = jax.random.uniform(jax.random.fold_in(how.rng_key, time), p_of.shape)
    is_last = jnp.arange(time, dtype=jnp.int32)[None, :] >= size[:, None] - 1
    is_kept = (q_of > 0) & (u.astype(p.dtype) * q_of < p_of) & ~is_last
    num_kept = jnp.sum(jnp.cumprod(is_kept.astype(jnp.int32), axis=1), axis=1, dtype=jnp.int32)
    p_end, q_end = (jnp.take_along_axis(x, num_kept[:, None, None], axis=1)[:, 0] for x in (p, q))
    is_rejected = (num_kept < size - 1)[:, None]
    rest = jnp.maximum(p_end - jnp.where(is_rejected, q_end, 0), 0)
    rest = jnp.where(jnp.any(rest > 0, axis=1, keepdims=True), rest, p_end)
    following = _drawn(rest, how, jnp.asarray(time + 1, jnp.int32))
    return num_kept, jnp.where(jnp.isnan(p_end).any(axis=1), -1, following)


def _drawn(probabilities: Array, how: Sampling, draw: Array) -> Array:
    """Returns a token for each row [B, V], of draw number `draw` of the round."""
    if how.rng_key is None:
        return jnp.argmax(probabilities, axis=-1).astype(jnp.int32)
    key = jax.random.fold_in(how.rng_key, draw)
    return jax.random.categorical(key, jnp.log(probabilities)).astype(jnp.int32)


def _distribution(logits: Array, how: Sampling) -> Array:
    """Returns the probabilities that tokens are drawn with, [B, V]; NaN where there are none."""
    left = sampling.filtered(logits, how, None)
    is_whole = sampling.has_tokens(logits)[:, None]
    top = jax.nn.one_hot(jnp.argmax(left, axis=-1), left.shape[-1], dtype=left.dtype)
    if how.temperature is not None:
        is_drawn = jnp.broadcast_to(how.temperature, left.shape[:1]) > 0
        top = jnp.where(is_drawn[:, None], jax.nn.softmax(left, axis=-1), top)
    return jnp.where(is_whole, top, jnp.nan)


def _with_kept(
    model: Any, before: Any, after: Any, tokens: Array, size: Array, kept: Array, room: int
) -> Any:
    """Returns the cache of a model that has seen the kept ones of tokens [B, D + 1] alone."""
    if can_rewind(after, room):
        return rewound(before, after, size - kept)
    return decoded("speculative", model, tokens, before, kept)[1]


def _until_stop(looked: _Looked, stop_tokens: tuple[int, ...]) -> Array:
    """Returns how many tokens a round has found for each row, up to the first that stops it."""
    time = looked.tokens.shape[1]
    places = jnp.arange(time, dtype=jnp.int32)[None, :]
    first = jnp.min(jnp.where(is_one_of(looked.tokens, stop_tokens), places + 1, time), axis=1)
    return jnp.minimum(first, looked.num_kept + 1)


def _appended(out: Speculated, looked: _Looked, count: Array) -> Speculated:
    """Returns the output with `count` [B] tokens of a round behind those that are there."""
    batch, max_new_tokens = out.tokens.shape
    places = jnp.arange(looked.tokens.shape[1], dtype=jnp.int32)[None, :]
    to = jnp.where(places < count[:, None], out.lengths[:, None] + places, max_new_tokens)
    at = jnp.arange(batch, dtype=jnp.int32)[:, None], to
    return out._replace(
        tokens=out.tokens.at[at].set(looked.tokens, mode="drop"),
        log_probs=out.log_probs.at[at].set(looked.log_probs, mode="drop"),
    )
