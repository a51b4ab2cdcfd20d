"""Dropping random elements."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pax._core import ArgumentError


def dropout(rng_key: Any, dropout_rate: float, x: Float[Array, "*S"]) -> Float[Array, "*S"]:
    """Sets random elements to zero, and divides the others by 1 - dropout_rate.

    Args:
        rng_key: random key.
        dropout_rate: probability that an element becomes zero, in [0, 1).
        x: any shape, floating.
    Returns:
        Shape and dtype of x.
    Raises:
        ArgumentError: if dropout_rate is not in [0, 1).
    Example:
        >>> pax.dropout(jax.random.key(0), 0.5, jnp.ones((2, 3))).shape
        (2, 3)
    """
    if not 0.0 <= dropout_rate < 1.0:
        raise ArgumentError(
            f"dropout got dropout_rate={dropout_rate!r}; expected a number in [0, 1).",
            "write the probability of dropping an element: dropout(key, 0.1, x).",
        )
    dropped = jax.random.bernoulli(rng_key, dropout_rate, x.shape)
    return jnp.where(dropped, jnp.zeros_like(x), x / (1.0 - dropout_rate))
