"""Group normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
from pax._core import ArgumentError, ParameterModule, arguments
from pax.nn import affine, given


class GroupNorm(ParameterModule):
    """Normalises each example over groups of channels, and over some of its axes.

    y = (x - mean) / sqrt(variance + eps) * scale + offset, with mean and variance over `axis`,
    for each group of num_channels / groups neighbouring channels apart.

    Args:
        groups: number of groups; it divides num_channels.
        num_channels: C, number of channels.
        axis: the axes to normalise over: an int, a slice of the axes, or a sequence of ints; the
            channel axis among them means the channels of a group. By default all axes but the
            first; `slice(2, None)` keeps the second apart too, as for sequences.
        create_scale: whether there is a trainable scale [C]; without it, `scale` is None.
        create_offset: whether there is a trainable offset [C]; without it, `offset` is None.
        eps: added to the variance.
        scale_init: draws the scale as `scale_init(rng_key, shape)`; ones by default.
        offset_init: draws the offset; zeros by default.
        data_format: "channels_last" or "N...C", "channels_first" or "NC...".
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.GroupNorm(2, 6)(jnp.ones((2, 5, 5, 6))).shape
        (2, 5, 5, 6)
    Source: Wu and He, "Group normalization", 2018 (arXiv 1803.08494).
    """

    scale: Float[Array, "C"] | None
    offset: Float[Array, "C"] | None
    precision_role = "full"

    def __init__(
        self,
        groups: int,
        num_channels: int,
        axis: int | slice | Sequence[int] = slice(1, None),  # never changed
        create_scale: bool = True,
        create_offset: bool = True,
        eps: float = 1e-5,
        scale_init: arguments.Initializer | None = None,
        offset_init: arguments.Initializer | None = None,
        data_format: str = "channels_last",
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        layer = type(self).__name__
        arguments.sizes(layer, groups=groups, num_channels=num_channels)
        if num_channels % groups:
            raise ArgumentError(
                f"{layer} got groups={groups}, which does not divide num_channels={num_channels}.",
                "choose a number of groups that divides the channels.",
            )
        arguments.one_of(layer, "data_format", data_format, given.FORMATS)
        self.groups = groups
        self.num_channels = num_channels
        self.axis = arguments.axis(layer, axis)
        self.create_scale = create_scale
        self.create_offset = create_offset
        self.eps = arguments.positive(layer, "eps", eps)
        self.data_format = data_format
        self.scale, self.offset = affine.create(
            self, num_channels, scale_init, offset_init, rng_key
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
            ShapeError: if x has not C channels, or no such axis to normalise over.
        """
        x = given.floating(self, x)
        channel = given.channel_axis(self, x, self.data_format, self.num_channels)
        axes = given.resolved_axes(self, x, self.axis)
        scale, offset = affine.choose(self, x, scale, offset, channel_axis=channel)
        return F.group_normalize(x, self.groups, channel, axes, self.eps, scale, offset)

    def __repr__(self) -> str:
        return self._repr(
            {
                "groups": self.groups,
                "num_channels": self.num_channels,
                "create_scale": self.create_scale,
                "create_offset": self.create_offset,
                "data_format": self.data_format,
            }
        )
