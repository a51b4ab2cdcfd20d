"""Dropout, as a layer that keeps its own random key."""

from __future__ import annotations

import jax
from jaxtyping import Array, ArrayLike, Float, Key, UInt32

import pax.functional as F
from pax._core import StateModule, arguments, next_rng_key
from pax.nn import given


class Dropout(StateModule):
    """Sets random elements to zero while training, and divides the others by 1 - dropout_rate.

    A training call replaces `rng_key` by a fresh one, so it runs in `pax.pure`. In evaluation
    mode, and with a rate of 0, the input is returned as it is.

    Args:
        dropout_rate: probability that an element becomes zero, in [0, 1).
        name: name of the module.
    Raises:
        ArgumentError: if dropout_rate is not a number in [0, 1).
    Example:
        >>> net, y = pax.purecall(pax.Dropout(0.5), jnp.ones((2, 3)))
        >>> y.shape
        (2, 3)
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from
        overfitting", 2014.
    """

    rng_key: Key[Array, ""] | UInt32[Array, "_"]

    def __init__(self, dropout_rate: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.dropout_rate = arguments.rate(
            "Dropout", "dropout_rate", dropout_rate, may_be_one=False
        )
        self.rng_key = next_rng_key()

    def __call__(self, x: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """Drops elements of x.

        Args:
            x: input of any shape, floating.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            PurityError: in training mode outside `pax.pure`.
        """
        x = given.floating(self, x)
        if not self.training or self.dropout_rate == 0:
            return x
        self.rng_key, key = jax.random.split(self.rng_key)
        return F.dropout(key, self.dropout_rate, x)

    def __repr__(self) -> str:
        return self._repr({"dropout_rate": self.dropout_rate})
