"""Dropout: entries set to zero at random, the others scaled up to keep the mean."""

from __future__ import annotations

import numbers
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError
from pax.functional.arrays import as_floating


def dropout(rng_key: ArrayLike, dropout_rate: float, x: ArrayLike) -> Float[Array, "..."]:
    """Zeroes each entry with a given probability.

    y = 0 where m, else x / (1 - p), with p the argument `dropout_rate` and m drawn by
    `jax.random.bernoulli(rng_key, p, x.shape)`, so that the mean of y is x.

    Args:
        rng_key: the random key of the draw.
        dropout_rate: the probability p of dropping an entry, 0 <= p < 1.
        x: input, any shape, floating.
    Returns:
        Shape and dtype of x.
    Raises:
        ArgumentError: if dropout_rate is not a number in [0, 1).
        DtypeError: if x is not floating.
    Example:
        >>> y = pax.dropout(jax.random.key(0), 0.5, jnp.ones((1000,)))
        >>> sorted(set(y.tolist()))
        [0.0, 2.0]
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from
        overfitting", 2014.
    """
    if not isinstance(dropout_rate, numbers.Real) or not 0 <= dropout_rate < 1:
        raise ArgumentError(
            f"dropout got dropout_rate={dropout_rate!r}; expected a number in [0, 1).",
            "give the share of entries to drop, e.g. dropout_rate=0.1.",
        )
    x = as_floating("dropout", "x", x)
    if dropout_rate == 0:
        return x
    return _drop(rng_key, float(dropout_rate), x)


@partial(jax.jit, static_argnums=1, inline=True)  # one dispatch where called eagerly
def _drop(rng_key: ArrayLike, dropout_rate: float, x: Array) -> Array:
    dropped = jax.random.bernoulli(rng_key, dropout_rate, x.shape)
    return jnp.where(dropped, jnp.zeros((), x.dtype), x / (1 - dropout_rate))
