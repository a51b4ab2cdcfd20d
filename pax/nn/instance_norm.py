"""Instance normalisation."""

from __future__ import annotations

import math
from typing import Any

from jaxtyping import Array, ArrayLike, Float

from pax._core import ShapeError, arguments
from pax.nn import given
from pax.nn.group_norm import GroupNorm


class InstanceNorm(GroupNorm):
    """Normalises each channel of each example over space, of any number of axes.

    y = (x - mean) / sqrt(variance + eps) * scale + offset: a `GroupNorm` in which each channel is
    a group. Nothing is averaged over batches, so training and evaluation are the same.

    Args:
        num_channels: C, number of channels.
        create_scale: whether there is a trainable scale [C]; without it, `scale` is None.
        create_offset: whether there is a trainable offset [C]; without it, `offset` is None.
        eps: added to the variance.
        scale_init: draws the scale as `scale_init(rng_key, shape)`; ones by default.
        offset_init: draws the offset; zeros by default.
        data_format: "N...C" or "channels_last", "NC..." or "channels_first".
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> norm = pax.InstanceNorm(1, create_scale=False, create_offset=False)
        >>> print(norm(jnp.array([[[1.0], [3.0]], [[10.0], [14.0]]])).round(2).ravel())
        [-1.  1. -1.  1.]
    Source: Ulyanov et al., "Instance normalization: the missing ingredient for fast stylization",
        2016 (arXiv 1607.08022).
    """

    def __init__(
        self,
        num_channels: int,
        create_scale: bool = True,
        create_offset: bool = True,
        eps: float = 1e-5,
        scale_init: arguments.Initializer | None = None,
        offset_init: arguments.Initializer | None = None,
        data_format: str = "N...C",
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        arguments.sizes("InstanceNorm", num_channels=num_channels)
        super().__init__(
            num_channels,
            num_channels,
            slice(1, None),
            create_scale,
            create_offset,
            eps,
            scale_init,
            offset_init,
            data_format,
            rng_key=rng_key,
            name=name,
        )

    def __call__(
        self,
        x: Float[ArrayLike, "*shape"],
        scale: Float[ArrayLike, "..."] | None = None,
        offset: Float[ArrayLike, "..."] | None = None,
    ) -> Float[Array, "*shape"]:
        """Normalises x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, floating.
            scale: broadcastable to x; only without create_scale.
            offset: broadcastable to x; only without create_offset.
        Returns:
            Shape and dtype of x.
        Raises:
            ArgumentError: if a scale or offset is given beside the layer's own.
            DtypeError: if x is not a floating array.
            ShapeError: if x has not C channels, or a single place in space: it would be its mean.
        """
        x = given.floating(self, x)
        channel = given.channel_axis(self, x, self.data_format, self.num_channels)
        if math.prod(x.shape[1:channel] + x.shape[channel + 1 :]) == 1:
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}: one place in space, which is its own "
                "mean, so that nothing of it would be left.",
                "give it larger inputs, or use pax.LayerNorm over the channels.",
            )
        return super().__call__(x, scale, offset)

    def __repr__(self) -> str:
        return self._repr(
            {
                "num_channels": self.num_channels,
                "create_scale": self.create_scale,
                "create_offset": self.create_offset,
                "data_format": self.data_format,
            }
        )
