"""The dense product."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Num


def linear(
    x: Num[Array, "*B I"], weight: Num[Array, "I O"], bias: Num[Array, "O"] | None = None
) -> Num[Array, "*B O"]:
    """Multiplies the last axis by a matrix.

    y = x W + b.

    Args:
        x: shape [..., I].
        weight: W, shape [I, O].
        bias: b, shape [O], or None.
    Returns:
        Shape [..., O].
    Example:
        >>> pax.functional.linear(jnp.ones((2, 3)), jnp.ones((3, 4))).shape
        (2, 4)
    """
    y = jnp.matmul(x, weight)
    return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + bias.shape)
