"""Filters of logits: which tokens may be drawn, as functions that stand alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import accumulation_dtype
from pax.generation import inputs


def top_k(logits: ArrayLike, k: ArrayLike) -> Float[Array, "*B V"]:
    """Keeps the k largest logits, and makes the others -inf.

    Tokens that are as likely as the k-th stay too.

    Args:
        logits: shape [..., V], floating.
        k: how many, an integer of at least 1, or one for each row, shape [...]. With k beyond V
            all stay.
    Returns:
        Shape and dtype of logits.
    Raises:
        ArgumentError: if k is less than 1, where that is known.
        DtypeError: if logits are not floating, or k is no integer.
        ShapeError: if k has another shape.
    Example:
        >>> print(pax.generation.top_k(jnp.array([1.0, 3.0, 2.0, 2.0]), 2))
        [-inf   3.   2.   2.]
    """
    logits = inputs.logits("top_k", logits)
    count = inputs.top_k("top_k", "k", k, logits.shape[:-1])
    return keep_top_k(logits, count)


def top_p(logits: ArrayLike, p: ArrayLike) -> Float[Array, "*B V"]:
    """Keeps the likeliest tokens that have the probability p together, and makes the others -inf.

    The smallest set, largest logits first, whose probabilities sum to p or more; tokens that are
    as likely as its last stay too. With p = 1 all stay.

    Args:
        logits: shape [..., V], floating.
        p: a number in (0, 1], or one for each row, shape [...].
    Returns:
        Shape and dtype of logits.
    Raises:
        ArgumentError: if p is not in (0, 1], where that is known.
        DtypeError: if logits are not floating, or p is no number.
        ShapeError: if p has another shape.
    Example:
        >>> logits = jnp.log(jnp.array([0.5, 0.3, 0.15, 0.05]))
        >>> print(jnp.isfinite(pax.generation.top_p(logits, 0.6)))
        [ True  True False False]
    Source: Holtzman et al., "The curious case of neural text degeneration", 2020 (arXiv
        1904.09751).
    """
    logits = inputs.logits("top_p", logits)
    return keep_top_p(logits, inputs.top_p("top_p", "p", p, logits.shape[:-1]))


def min_p(logits: ArrayLike, p: ArrayLike) -> Float[Array, "*B V"]:
    """Keeps the tokens at least p times as likely as the likeliest, and makes the others -inf.

    Args:
        logits: shape [..., V], floating.
        p: a number in [0, 1], or one for each row, shape [...].
    Returns:
        Shape and dtype of logits.
    Raises:
        ArgumentError: if p is not in [0, 1], where that is known.
        DtypeError: if logits are not floating, or p is no number.
        ShapeError: if p has another shape.
    Example:
        >>> logits = jnp.log(jnp.array([0.5, 0.3, 0.15, 0.05]))
        >>> print(jnp.isfinite(pax.generation.min_p(logits, 0.25)))
        [ True  True  True False]
    Source: Nguyen et al., "Turning up the heat: min-p sampling for creative and coherent LLM
        outputs", 2024 (arXiv 2407.01082).
    """
    logits = inputs.logits("min_p", logits)
    return keep_min_p(logits, inputs.min_p("min_p", "p", p, logits.shape[:-1]))


def repetition_penalty(
    logits: ArrayLike, tokens: ArrayLike, penalty: ArrayLike
) -> Float[Array, "*B V"]:
    """Makes tokens less likely that are there already.

    Their logits are divided by the penalty where positive, and multiplied by it where negative,
    once however often the token is there.

    Args:
        logits: shape [..., V], floating.
        tokens: those that are there, integers of shape [..., T]; what is not in 0 ... V - 1, such
            as padding of -1, does not count.
        penalty: a positive number, or one for each row, shape [...]; 1 changes nothing, more makes
            repetition rarer.
    Returns:
        Shape and dtype of logits.
    Raises:
        ArgumentError: if the penalty is not positive, where that is known.
        DtypeError: if logits are not floating, tokens no integers, or the penalty is no number.
        ShapeError: if tokens or penalty have another shape.
    Example:
        >>> logits = jnp.array([1.0, -1.0, 2.0])
        >>> print(pax.generation.repetition_penalty(logits, jnp.array([0, 1]), 2.0))
        [ 0.5 -2.   2. ]
    Source: Keskar et al., "CTRL: a conditional transformer language model for controllable
        generation", 2019 (arXiv 1909.05858).
    """
    name = "repetition_penalty"
    logits = inputs.logits(name, logits)
    tokens = inputs.tokens_of_rows(name, tokens, logits.shape[:-1])
    return penalized(
        logits, tokens, inputs.repetition_penalty(name, "penalty", penalty, logits.shape[:-1])
    )


@partial(jax.jit, inline=True)  # one dispatch where called eagerly
def keep_top_k(logits: Array, k: Array) -> Array:
    """Does what `top_k` does with checked arguments."""
    k = jnp.minimum(k, logits.shape[-1])
    return _keep_above(logits, lambda above: jnp.sum(above, axis=-1, dtype=jnp.int32) >= k)


@partial(jax.jit, inline=True)  # one dispatch where called eagerly
def keep_top_p(logits: Array, p: Array) -> Array:
    """Does what `top_p` does with checked arguments."""
    wide = accumulation_dtype(logits)
    probs = jax.nn.softmax(jax.lax.stop_gradient(logits).astype(wide), axis=-1)
    p = p.astype(wide)
    # with p = 1, rounding must not make the sum reach it early
    some = _keep_above(logits, lambda above: jnp.sum(probs, axis=-1, where=above) >= p)
    return jnp.where(by_row(p, logits) >= 1, logits, some)


@partial(jax.jit, inline=True)  # one dispatch where called eagerly
def keep_min_p(logits: Array, p: Array) -> Array:
    """Does what `min_p` does with checked arguments."""
    top = jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    least = top + jnp.log(by_row(p, logits)).astype(logits.dtype)
    return jnp.where(logits < least, -jnp.inf, logits)


@partial(jax.jit, inline=True)  # one dispatch where called eagerly
def penalized(logits: Array, tokens: Array, penalty: Array) -> Array:
    """Does what `repetition_penalty` does with checked arguments."""

    def seen_in(tokens: Array) -> Array:
        none = jnp.zeros(logits.shape[-1], bool)
        return none.at[tokens].set(True, mode="drop", wrap_negative_indices=False)

    seen = seen_in
    for _ in range(logits.ndim - 1):
        seen = jax.vmap(seen)
    penalty = by_row(penalty, logits).astype(logits.dtype)
    less = jnp.where(logits > 0, logits / penalty, logits * penalty)
    return jnp.where(seen(tokens), less, logits)


def by_row(value: Array, logits: Array) -> Array:
    """Returns a number for each row such that it goes with logits [..., V]."""
    return value[..., None] if value.ndim else value.reshape((1,) * logits.ndim)


def _keep_above(logits: Array, enough: Callable[[Array], Any]) -> Array:
    """Returns the logits with -inf below the largest one above which there are enough.

    The bits of that logit are found one after the other, from the sign on: a pass over the logits
    for each. On the CPU that takes a thirtieth of the time of sorting them.

    Args:
        logits: shape [..., V].
        enough: tells for each row whether the tokens [..., V] that it is given, those from some
            logit on, are enough.
    """
    order = _order(jax.lax.stop_gradient(logits))
    bits = 8 * order.dtype.itemsize

    def set_bit(i: Array, least: Array) -> Array:
        bit = jnp.left_shift(jnp.ones((), order.dtype), (bits - 1 - i).astype(order.dtype))
        higher = least | bit
        return jnp.where(enough(order >= higher[..., None]), higher, least)

    least = jax.lax.fori_loop(0, bits, set_bit, jnp.zeros(logits.shape[:-1], order.dtype))
    # NaN stays, whatever its sign
    return jnp.where((order >= least[..., None]) | jnp.isnan(logits), logits, -jnp.inf)


def _order(x: Array) -> Array:
    """Returns unsigned integers in the order of floating numbers."""
    bits = 8 * x.dtype.itemsize
    unsigned = np.dtype(f"uint{bits}")
    raw = jax.lax.bitcast_convert_type(jnp.where(x == 0, 0, x), unsigned)  # -0.0 equals 0.0
    sign = jnp.asarray(1 << (bits - 1), unsigned)
    return jnp.where(raw >= sign, ~raw, raw | sign)
