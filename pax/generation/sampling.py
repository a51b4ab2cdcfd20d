"""The choice of the next token: filters in their order, then the likeliest token or a drawn one."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from pax._core import ArgumentError, key_or_next, known
from pax.generation import inputs
from pax.generation.filters import by_row, keep_min_p, keep_top_k, keep_top_p, penalized


class Sampling(NamedTuple):
    """How tokens are chosen: numbers, or one for each row; None is left out of the program."""

    rng_key: Array | None = None  # None: the likeliest token
    temperature: Array | None = None
    top_k: Array | None = None
    top_p: Array | None = None
    min_p: Array | None = None
    repetition_penalty: Array | None = None

    def at(self, step: Array) -> Sampling:
        """Returns the same with the key of a step."""
        if self.rng_key is None:
            return self
        return self._replace(rng_key=jax.random.fold_in(self.rng_key, step))


def checked(function: str, prompt: Array, rng_key: Any, **given: Any) -> Sampling:
    """Returns how tokens are chosen; raises if a number is not right, or a key is missing.

    Args:
        function: name in errors.
        prompt: shape [B, T].
        rng_key: a random key or None.
        given: the other fields of `Sampling`, as the caller gave them.
    """
    rows = prompt.shape[:1]
    numbers = {
        name: getattr(inputs, name)(function, name, value, rows)
        for name, value in given.items()
        if value is not None
    }
    if rng_key is not None:
        return Sampling(**{"rng_key": key_or_next(rng_key), "temperature": jnp.ones(()), **numbers})
    _check_greedy(function, numbers)
    kept = {k: x for k, x in numbers.items() if k == "repetition_penalty"}
    return Sampling(**kept)  # the largest logit passes every filter


def _check_greedy(function: str, numbers: dict[str, Array]) -> None:
    """Raises if arguments ask for random tokens, and there is no key."""
    fix = "pass rng_key=jax.random.key(0), another one for each call."
    filters = [name for name in ("top_k", "top_p", "min_p") if name in numbers]
    if "temperature" in numbers:
        found = known(numbers["temperature"])
        if found is None or (found > 0).any():
            shown = "that is traced" if found is None else f"of {found.tolist()}"
            raise ArgumentError(f"{function} got a temperature {shown} without rng_key.", fix)
    elif filters:
        raise ArgumentError(
            f"{function} got {filters[0]} without rng_key; it says which tokens are drawn.", fix
        )


def filtered(logits: Array, sampling: Sampling, seen: Array | None) -> Array:
    """Returns the logits of the distribution that tokens come from, but for a temperature of 0.

    Args:
        logits: shape [B, V].
        sampling: how tokens are chosen.
        seen: tokens [B, T] whose repetition is penalised, -1 where there is none.
    """
    if sampling.repetition_penalty is not None and seen is not None:
        logits = penalized(logits, seen, sampling.repetition_penalty)
    if sampling.temperature is not None:
        temperature = by_row(sampling.temperature, logits)
        # a small temperature makes the smaller ones -inf, and none +inf; with one of 0 the largest
        # is taken, whatever the others become
        logits = logits - jnp.max(logits, axis=-1, keepdims=True)
        logits = logits / jnp.where(temperature > 0, temperature, 1).astype(logits.dtype)
    if sampling.top_k is not None:
        logits = keep_top_k(logits, sampling.top_k)
    if sampling.top_p is not None:
        logits = keep_top_p(logits, sampling.top_p)
    if sampling.min_p is not None:
        logits = keep_min_p(logits, sampling.min_p)
    return logits


def choose(logits: Array, sampling: Sampling) -> Array:
    """Returns a token for each row of filtered logits [B, V]."""
    greedy = jnp.argmax(logits, axis=-1)
    if sampling.rng_key is None or sampling.temperature is None:
        return greedy.astype(jnp.int32)
    drawn = jax.random.categorical(sampling.rng_key, logits)
    return jnp.where(sampling.temperature > 0, drawn, greedy).astype(jnp.int32)


def log_probability(logits: Array, tokens: Array) -> Array:
    """Returns the logarithm of the probability of a token, in each row of logits [..., V]."""
    found = jnp.take_along_axis(logits, tokens[..., None], axis=-1)[..., 0]
    return found - jax.nn.logsumexp(logits, axis=-1)


def has_tokens(logits: Array) -> Array:
    """Returns in which rows [...] of logits [..., V] some token can be chosen, and none is NaN."""
    return jnp.isfinite(jnp.max(logits, axis=-1))
