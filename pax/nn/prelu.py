"""The rectifier with trained slopes."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
import pax.initializers as initializers
from pax._core import ParameterModule, ShapeError, arguments, key_or_next
from pax.nn import given


class PReLU(ParameterModule):
    """Multiplies what is negative by a trained slope.

    y = x where x > 0, else a x, with a, the array `weight`, of shape [num_channels].

    Args:
        num_channels: C, number of slopes: one for each channel of the input, or 1 for all.
        w_init: draws a as `w_init(rng_key, shape)`; 0.25 everywhere by default.
        data_format: "N...C" or "NC...", where the channels of the input are.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> print(pax.PReLU()(jnp.array([-4.0, 4.0])))
        [-1.  4.]
    Source: He et al., "Delving deep into rectifiers", 2015 (arXiv 1502.01852).
    """

    weight: Float[Array, "num_channels"]

    def __init__(
        self,
        num_channels: int = 1,
        w_init: arguments.Initializer | None = None,
        *,
        data_format: str = "N...C",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("PReLU", num_channels=num_channels)
        arguments.initializer("PReLU", "w_init", w_init)
        arguments.one_of("PReLU", "data_format", data_format, ("N...C", "NC..."))
        self.num_channels = num_channels
        self.data_format = data_format
        key = None if w_init is None else key_or_next(rng_key)
        init = w_init or initializers.constant(0.25)
        self.weight = arguments.drawn("PReLU", "w_init", init, key, (num_channels,))

    def __call__(self, x: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """Applies the slopes.

        Args:
            x: input, shape [B, ..., C] or [B, C, ...], floating; any shape with one slope.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has not num_channels channels.
        """
        x = given.floating(self, x)
        axis = x.ndim - 1 if self.data_format == "N...C" else 1
        if self.num_channels > 1 and (not 0 <= axis < x.ndim or x.shape[axis] != self.num_channels):
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}; expected {self.num_channels} channels, "
                f"{self.data_format}.",
                "build it with the num_channels and data_format of the input.",
            )
        return F.prelu(x, self.weight, data_format=self.data_format)

    def __repr__(self) -> str:
        return self._repr({"num_channels": self.num_channels, "data_format": self.data_format})
