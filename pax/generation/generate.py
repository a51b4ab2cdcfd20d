"""Generation of one token after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int32

from pax._core import ArgumentError, ShapeError
from pax.generation import inputs, sampling, streaming
from pax.generation.interface import (
    as_tree,
    check_room,
    check_vocabulary,
    decoded,
    evaluated,
    is_one_of,
    prefill,
)
from pax.generation.sampling import Sampling


class Generated(NamedTuple):
    """What `generate` returns.

    A row whose logits are NaN or +inf, as after a token that the model does not know or beyond a
    full cache, ends there, and so does one in which nothing is allowed: its log probability there
    is NaN, its token -1.

    Args:
        tokens: shape [B, N], the new tokens of each row with the one that stopped it, then -1.
        lengths: shape [B], how many new tokens each row has.
        log_probs: shape [B, N], the logarithm of the probability of each token as the model gives
            it, before temperature and filters; 0 behind the last.
        cache: holds the prompts and all new tokens but the last of each row.
    Example:
        >>> pax.generation.Generated._fields
        ('tokens', 'lengths', 'log_probs', 'cache')
    """

    tokens: Int32[Array, "B N"]
    lengths: Int32[Array, "B"]
    log_probs: Float[Array, "B N"]
    cache: Any


def generate(
    model: Any,
    prompt: ArrayLike,
    *,
    max_new_tokens: int,
    lengths: ArrayLike | None = None,
    temperature: ArrayLike | None = None,
    top_k: ArrayLike | None = None,
    top_p: ArrayLike | None = None,
    min_p: ArrayLike | None = None,
    repetition_penalty: ArrayLike | None = None,
    stop_tokens: int | Sequence[int] = (),
    allowed: Callable[[Array, Array], Array] | None = None,
    on_token: Callable[[np.ndarray], Any] | None = None,
    cache: Any = None,
    rng_key: Any = None,
) -> Generated:
    """Generates tokens after prompts: the likeliest ones, or with a key random ones.

    Filters come in this order: `allowed`, repetition penalty, temperature, top-k, top-p, min-p.
    One compiled program runs the whole; another `allowed` or other stop tokens need a new one.

    Args:
        model: a module with `make_cache` and `decode`; it is called in evaluation mode.
        prompt: tokens, integers of shape [B, T].
        max_new_tokens: N, how many tokens a row gets at most.
        lengths: shape [B], how many of the T tokens are there, from the left; by default all.
        temperature: divides the logits, 0 takes the largest; by default 1 with rng_key, else 0.
        top_k: see `pax.generation.top_k`; like all these numbers, one or one for each row [B].
        top_p: see `pax.generation.top_p`.
        min_p: see `pax.generation.min_p`.
        repetition_penalty: see `pax.generation.repetition_penalty`; prompts count, caches do not.
        stop_tokens: a row ends behind one of these.
        allowed: `allowed(tokens [B, N], lengths [B])` of new tokens gives what may follow [B, V].
        on_token: called with each new token of all rows, shape [B], -1 where a row has ended.
        cache: what the model has decoded before; by default `make_cache(B, T + N)`.
        rng_key: random key of the tokens; without it nothing is random.
    Returns:
        The tokens with their lengths and log probabilities, and the cache.
    Raises:
        ArgumentError: if an argument cannot be right; so do DtypeError and ShapeError.
    Example:
        >>> class Count(pax.Module):
        ...     make_cache = lambda self, batch_size, max_length: ()
        ...     decode = lambda self, x, cache, lengths: (jax.nn.one_hot(x + 1, 10), cache)
        >>> print(pax.generation.generate(Count(), jnp.array([[3]]), max_new_tokens=4).tokens)
        [[4 5 6 7]]
    """
    inputs.model("generate", "model", model)
    prompt, lengths = inputs.prompt("generate", prompt, lengths)
    filters = {"top_k": top_k, "top_p": top_p, "min_p": min_p}
    others = {"temperature": temperature, "repetition_penalty": repetition_penalty}
    how = sampling.checked("generate", prompt, rng_key, **filters, **others)
    static = inputs.static("generate", max_new_tokens, stop_tokens)
    check_room("generate", model, cache, prompt, lengths, max_new_tokens)
    with streaming.listening(on_token) as to:
        return _generated(model, prompt, lengths, cache, how, as_tree(allowed), to, **static)


class _Rows(NamedTuple):
    """What the loop carries."""

    step: Array
    last: Array  # [B], the token that comes next into the model
    is_done: Array  # [B]
    tokens: Array  # [B, N]
    lengths: Array  # [B]
    log_probs: Array  # [B, N]
    cache: Any


@partial(jax.jit, static_argnames=("max_new_tokens", "stop_tokens"))
def _generated(
    model: Any,
    prompt: Array,
    lengths: Array | None,
    cache: Any,
    how: Sampling,
    allowed: Any,
    listener: Any,
    *,
    max_new_tokens: int,
    stop_tokens: tuple[int, ...],
) -> Generated:
    model = evaluated(model)
    batch, time = prompt.shape
    last, cache = prefill("generate", model, prompt, lengths, cache, time + max_new_tokens)
    given = _without_padding(prompt, lengths)

    def body(rows: _Rows) -> _Rows:
        step = rows.step
        written = (~rows.is_done).astype(jnp.int32)
        logits, cache = decoded("generate", model, rows.last[:, None], rows.cache, written)
        logits = logits[:, 0].astype(rows.log_probs.dtype)
        check_vocabulary("generate", logits, None, stop_tokens)
        left = logits
        if allowed is not None:
            left = jnp.where(_mask(allowed, rows, logits.shape), logits, -jnp.inf)
        seen = jnp.concatenate([given, rows.tokens], axis=1)
        left = sampling.filtered(left, how, seen)
        chosen = sampling.choose(left, how.at(step))
        # NaN or +inf among the logits shows here as well as nothing being left
        is_whole = sampling.has_tokens(logits) & sampling.has_tokens(left)
        log_probs = jnp.where(is_whole, sampling.log_probability(logits, chosen), jnp.nan)
        is_new = is_whole & ~rows.is_done
        token = jnp.where(is_new, chosen, -1)
        streaming.emit(listener, token)
        return _Rows(
            step + 1,
            jnp.where(is_new, chosen, rows.last),
            ~is_new | is_one_of(token, stop_tokens),
            rows.tokens.at[:, step].set(token),
            rows.lengths + is_new.astype(jnp.int32),
            rows.log_probs.at[:, step].set(jnp.where(rows.is_done, 0, log_probs)),
            cache,
        )

    start = _Rows(
        jnp.zeros((), jnp.int32),
        last,
        jnp.zeros(batch, bool),
        jnp.full((batch, max_new_tokens), -1, jnp.int32),
        jnp.zeros(batch, jnp.int32),
        jnp.zeros((batch, max_new_tokens)),
        cache,
    )
    rows = jax.lax.while_loop(
        lambda rows: (rows.step < max_new_tokens) & ~jnp.all(rows.is_done), body, start
    )
    return Generated(rows.tokens, rows.lengths, rows.log_probs, rows.cache)


def _without_padding(prompt: Array, lengths: Array | None) -> Array:
    """Returns prompts [B, T] with -1 behind their tokens."""
    if lengths is None:
        return prompt
    places = jnp.arange(prompt.shape[1], dtype=jnp.int32)[None, :]
    return jnp.where(places < lengths[:, None], prompt, -1)


def _mask(allowed: Any, rows: _Rows, shape: tuple[int, ...]) -> Array:
    """Returns which tokens may come next, [B, V] or [1, V]."""
    mask = allowed(rows.tokens, rows.lengths)
    if not isinstance(mask, (jax.Array, np.ndarray)) or mask.dtype != np.bool_:
        found = getattr(mask, "dtype", type(mask).__name__)
        raise ArgumentError(
            f"generate got a mask of {found} from allowed; expected True or False for each token.",
            "compare: return table[tokens] > 0.",
        )
    if mask.shape not in {shape, shape[1:]}:
        raise ShapeError(
            f"generate got a mask of shape {mask.shape} from allowed; expected {shape} or "
            f"{shape[1:]}.",
            "return one row for each of the batch, or one for all.",
        )
    return jnp.asarray(mask).reshape(-1, shape[1])
