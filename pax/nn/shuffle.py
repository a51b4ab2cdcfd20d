"""Sub-pixel shuffle as layers."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Array, ArrayLike, Shaped

import pax.functional as F
from pax._core import Module
from pax.nn import given, space


class Shuffle(Module):
    """What the two layers have in common; use `PixelShuffle` or `PixelUnshuffle`."""

    def __init__(
        self,
        factor: int | Sequence[int],
        *,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        layer = type(self).__name__
        self.factor = space.sizes(layer, "factor", factor)
        self.data_format = space.data_format(layer, data_format)

    def _checked(self, x: ArrayLike) -> Array:
        x = given.array(self, x)
        space.check_input(
            self, x, self.data_format, space.rank(type(self).__name__, factor=self.factor)
        )
        return x

    def __repr__(self) -> str:
        return self._repr({"factor": self.factor, "data_format": self.data_format})


class PixelShuffle(Shuffle):
    """Makes an image larger, by spreading its channels over space.

    y[h r + i, w r + j, c] = x[h, w, (c r + i) r + j] with the argument `factor` as r, and likewise
    over any number of spatial axes.

    Args:
        factor: r, an integer or one for each of the n spatial axes.
        data_format: "N...C" or "NC...".
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.PixelShuffle(2)(jnp.ones((1, 4, 4, 12))).shape
        (1, 8, 8, 3)
    Source: Shi et al., "Real-time single image and video super-resolution using an efficient
        sub-pixel convolutional neural network", 2016 (arXiv 1609.05158).
    """

    def __init__(
        self,
        factor: int | Sequence[int],
        *,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(factor, data_format=data_format, name=name)

    def __call__(self, x: Shaped[ArrayLike, "B ..."]) -> Shaped[Array, "B ..."]:
        """Spreads the channels of x.

        Args:
            x: shape [B, ..., C * r^n], or [B, C * r^n, ...] with channels first.
        Returns:
            Shape [B, ..., C] or [B, C, ...], each spatial axis r times as long; dtype of x.
        Raises:
            ShapeError: if x has not the axes that it should, or its channels cannot be spread.
        """
        return F.pixel_shuffle(self._checked(x), self.factor, data_format=self.data_format)


class PixelUnshuffle(Shuffle):
    """Makes an image smaller, by gathering its pixels in channels: the inverse of `PixelShuffle`.

    y[h, w, (c r + i) r + j] = x[h r + i, w r + j, c] with the argument `factor` as r, and likewise
    over any number of spatial axes.

    Args:
        factor: r, an integer or one for each of the n spatial axes.
        data_format: "N...C" or "NC...".
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.PixelUnshuffle(2)(jnp.ones((1, 8, 8, 3))).shape
        (1, 4, 4, 12)
    """

    def __init__(
        self,
        factor: int | Sequence[int],
        *,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(factor, data_format=data_format, name=name)

    def __call__(self, x: Shaped[ArrayLike, "B ..."]) -> Shaped[Array, "B ..."]:
        """Gathers the pixels of x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first.
        Returns:
            Shape [B, ..., C * r^n] or [B, C * r^n, ...], spatial axes divided by r; dtype of x.
        Raises:
            ShapeError: if x has not the axes that it should, or r does not divide one.
        """
        return F.pixel_unshuffle(self._checked(x), self.factor, data_format=self.data_format)
