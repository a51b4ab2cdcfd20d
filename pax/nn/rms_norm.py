"""Normalisation by the root mean square."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
from pax._core import ParameterModule, arguments
from pax.nn import affine, given


class RMSNorm(ParameterModule):
    """Divides each example by its root mean square over some of its axes.

    y = x / sqrt(mean(x^2) + eps) * scale, with the mean over `axis`.

    Args:
        num_channels: C, size of the last axis of the input.
        axis: the axes to average over: an int, a slice of the axes, or a sequence of ints.
        create_scale: whether there is a trainable scale [C]; without it, `scale` is None.
        eps: added to the mean square, inside the root. The default is that of haiku; torch adds
            the machine epsilon of the input's dtype, 1.2e-7 in float32.
        scale_init: draws the scale as `scale_init(rng_key, shape)`; ones by default.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> print(pax.RMSNorm(2)(jnp.array([[3.0, 3.0], [-5.0, 5.0]])).round(2))
        [[ 1.  1.]
         [-1.  1.]]
    Source: Zhang and Sennrich, "Root mean square layer normalization", 2019 (arXiv 1910.07467).
    """

    scale: Float[Array, "C"] | None
    precision_role = "full"

    def __init__(
        self,
        num_channels: int,
        axis: int | slice | Sequence[int] = -1,
        create_scale: bool = True,
        eps: float = 1e-5,
        scale_init: arguments.Initializer | None = None,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("RMSNorm", num_channels=num_channels)
        self.num_channels = num_channels
        self.axis = arguments.axis("RMSNorm", axis)
        self.create_scale = create_scale
        self.eps = arguments.positive("RMSNorm", "eps", eps)
        self.scale = affine.create_scale(self, num_channels, scale_init, rng_key)

    def __call__(
        self, x: Float[ArrayLike, "*shape"], scale: Float[ArrayLike, "..."] | None = None
    ) -> Float[Array, "*shape"]:
        """Normalises x.

        Args:
            x: shape [..., C], floating.
            scale: broadcastable to x; only without create_scale.
        Returns:
            Shape and dtype of x.
        Raises:
            ArgumentError: if a scale is given beside the layer's own.
            DtypeError: if x is not a floating array.
            ShapeError: if the last axis is not C, or there is no such axis to average over.
        """
        x = given.floating(self, x)
        given.last_axis(self, x, self.num_channels, "num_channels")
        axes = given.resolved_axes(self, x, self.axis)
        scale = affine.choose_part(self, "scale", x, scale, channel_axis=-1)
        return F.rms_normalize(x, axes, self.eps, scale)

    def __repr__(self) -> str:
        return self._repr(
            {
                "num_channels": self.num_channels,
                "axis": self.axis,
                "create_scale": self.create_scale,
            }
        )
