"""Pooling layers that leave one entry for each channel."""

from __future__ import annotations

from jaxtyping import Array, ArrayLike, Float, Num

import pax.functional as F
from pax._core import Module
from pax.nn import given, space


class Global(Module):
    """What pooling of all space has in common; use `GlobalAvgPool` or `GlobalMaxPool`."""

    def __init__(self, *, data_format: str = "N...C", name: str | None = None) -> None:
        super().__init__(name=name)
        self.data_format = space.data_format(type(self).__name__, data_format)

    def __repr__(self) -> str:
        return self._repr({"data_format": self.data_format})


class GlobalAvgPool(Global):
    """Takes the mean over all spatial axes, which are gone after it.

    y[b, c] = mean of x[b, n, c] over all places n. `AdaptiveAvgPool(1)` keeps the axes.

    Args:
        data_format: "N...C" or "NC...", with any number of spatial axes.
        name: name of the module.
    Raises:
        ArgumentError: if data_format is not one of these.
    Example:
        >>> pax.GlobalAvgPool()(jnp.ones((2, 7, 7, 3))).shape
        (2, 3)
    Source: Lin et al., "Network in network", 2013 (arXiv 1312.4400).
    """

    def __init__(self, *, data_format: str = "N...C", name: str | None = None) -> None:
        super().__init__(data_format=data_format, name=name)

    def __call__(self, x: Float[ArrayLike, "B ..."]) -> Float[Array, "B C"]:
        """Pools x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, floating.
        Returns:
            Shape [B, C], dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has no spatial axis, or an empty one.
        """
        x = given.floating(self, x)
        space.check_input(self, x, self.data_format, None)
        channel = space.channel_axis(self.data_format)
        return F.adaptive_avg_pool(x, 1, channel).reshape(x.shape[0], x.shape[channel])


class GlobalMaxPool(Global):
    """Takes the maximum over all spatial axes, which are gone after it.

    y[b, c] = max of x[b, n, c] over all places n. The gradient goes to the first of equal maxima.
    `AdaptiveMaxPool(1)` keeps the axes.

    Args:
        data_format: "N...C" or "NC...", with any number of spatial axes.
        name: name of the module.
    Raises:
        ArgumentError: if data_format is not one of these.
    Example:
        >>> pax.GlobalMaxPool()(jnp.arange(6).reshape(1, 3, 2))
        Array([[4, 5]], dtype=int32)
    """

    def __init__(self, *, data_format: str = "N...C", name: str | None = None) -> None:
        super().__init__(data_format=data_format, name=name)

    def __call__(self, x: Num[ArrayLike, "B ..."]) -> Num[Array, "B C"]:
        """Pools x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, floating or integer.
        Returns:
            Shape [B, C], dtype of x.
        Raises:
            DtypeError: if x is neither a floating nor an integer array.
            ShapeError: if x has no spatial axis, or an empty one.
        """
        x = given.array(self, x)
        space.check_input(self, x, self.data_format, None)
        channel = space.channel_axis(self.data_format)
        return F.adaptive_max_pool(x, 1, channel).reshape(x.shape[0], x.shape[channel])
