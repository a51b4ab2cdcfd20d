"""Layer normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
from pax._core import ParameterModule, arguments
from pax.nn import affine, given


class LayerNorm(ParameterModule):
    """Normalises each example over some of its axes.

    y = (x - mean) / sqrt(variance + eps) * scale + offset, with mean and variance over `axis`.

    Args:
        num_channels: C, size of the last axis of the input.
        axis: the axes to normalise over: an int, a slice of the axes, or a sequence of ints.
        create_scale: whether there is a trainable scale [C]; without it, `scale` is None.
        create_offset: whether there is a trainable offset [C]; without it, `offset` is None.
        eps: added to the variance.
        scale_init: draws the scale as `scale_init(rng_key, shape)`; ones by default.
        offset_init: draws the offset; zeros by default.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> print(pax.LayerNorm(3, -1, True, True)(jnp.array([[1.0, 2.0, 3.0]])).round(2))
        [[-1.22  0.    1.22]]
    Source: Ba et al., "Layer normalization", 2016 (arXiv 1607.06450).
    """

    scale: Float[Array, "C"] | None
    offset: Float[Array, "C"] | None
    precision_role = "full"

    def __init__(
        self,
        num_channels: int,
        axis: int | slice | Sequence[int],
        create_scale: bool,
        create_offset: bool,
        eps: float = 1e-5,
        scale_init: arguments.Initializer | None = None,
        offset_init: arguments.Initializer | None = None,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("LayerNorm", num_channels=num_channels)
        self.num_channels = num_channels
        self.axis = arguments.axis("LayerNorm", axis)
        self.create_scale = create_scale
        self.create_offset = create_offset
        self.eps = arguments.positive("LayerNorm", "eps", eps)
        self.scale, self.offset = affine.create(
            self, num_channels, scale_init, offset_init, rng_key
        )

    def __call__(
        self,
        inputs: Float[ArrayLike, "*shape"],
        scale: Float[ArrayLike, "..."] | None = None,
        offset: Float[ArrayLike, "..."] | None = None,
    ) -> Float[Array, "*shape"]:
        """Normalises x.

        Args:
            inputs: shape [B, ..., C], floating.
            scale: broadcastable to inputs; only without create_scale.
            offset: broadcastable to inputs; only without create_offset.
        Returns:
            Shape and dtype of inputs.
        Raises:
            ArgumentError: if a scale or offset is given beside the layer's own.
            DtypeError: if inputs is not a floating array.
            ShapeError: if the last axis is not C, or there is no such axis.
        """
        x = given.floating(self, inputs)
        given.last_axis(self, x, self.num_channels, "num_channels")
        axes = given.resolved_axes(self, x, self.axis)
        scale, offset = affine.choose(self, x, scale, offset, channel_axis=-1)
        return F.layer_normalize(x, axes, self.eps, scale, offset)

    def __repr__(self) -> str:
        return self._repr(
            {
                "num_channels": self.num_channels,
                "axis": self.axis,
                "create_scale": self.create_scale,
                "create_offset": self.create_offset,
            }
        )
