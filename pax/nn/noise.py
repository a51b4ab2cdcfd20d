"""Noise, as a layer that keeps its own random key."""

from __future__ import annotations

from jaxtyping import Array, ArrayLike, Float, Key, UInt32

import pax.functional as F
from pax._core import ArgumentError, StateModule, arguments, next_rng_key
from pax.nn import given, keys


class GaussianNoise(StateModule):
    """Adds normal noise to each element while training.

    Key and evaluation mode are as in `Dropout`; a stddev of 0 is as a rate of 0.

    Args:
        stddev: standard deviation of the noise, at least 0.
        name: name of the module.
    Raises:
        ArgumentError: if stddev is not a finite number of at least 0.
    Example:
        >>> net, y = pax.purecall(pax.GaussianNoise(0.1), jnp.ones((2, 3)))
        >>> y.shape
        (2, 3)
    """

    rng_key: Key[Array, ""] | UInt32[Array, "_"]

    def __init__(self, stddev: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        if not arguments.is_number(stddev) or stddev < 0:
            raise ArgumentError(
                f"GaussianNoise got stddev={stddev!r}; expected a finite number of at least 0.",
                "write stddev=0.1.",
            )
        self.stddev = float(stddev)
        self.rng_key = next_rng_key()

    def __call__(self, x: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """Adds noise to x.

        Args:
            x: input of any shape, floating.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            PurityError: in training mode outside `pax.pure`.
        """
        x = given.floating(self, x)
        key = keys.while_training(self, self.stddev)
        return x if key is None else F.gaussian_noise(key, self.stddev, x)

    def __repr__(self) -> str:
        return self._repr({"stddev": self.stddev})
