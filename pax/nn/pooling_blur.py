"""Blur pooling as a layer."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
from pax._core import Module
from pax.nn import given, space


class BlurPool(Module):
    """Blurs by a binomial filter, then keeps one entry of each stride.

    y[o] = sum of f[k] x[o * strides + k - (w - 1) // 2] over the w offsets k, along each spatial
    axis in turn, with f[k] the binomial coefficient of k among w - 1, over 2^(w - 1): (1, 2, 1) / 4
    for w = 3. Beyond the border the image is mirrored about its first and last entry. A maximum
    that shifts little is `MaxPool(2, 1)` and then this.

    Args:
        window_shape: size w of the filter, an integer or one for each spatial axis.
        strides: distance between two outputs, likewise.
        data_format: "N...C" or "NC...", with any number of spatial axes.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.BlurPool(3, 2)(jnp.ones((1, 8, 8, 3))).shape
        (1, 4, 4, 3)
    Source: Zhang, "Making convolutional networks shift-invariant again", 2019 (arXiv 1904.11486).
    """

    def __init__(
        self,
        window_shape: int | Sequence[int],
        strides: int | Sequence[int],
        *,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.window_shape = space.sizes("BlurPool", "window_shape", window_shape)
        self.strides = space.sizes("BlurPool", "strides", strides)
        self.rank = space.rank("BlurPool", window_shape=self.window_shape, strides=self.strides)
        self.data_format = space.data_format("BlurPool", data_format)

    def __call__(self, x: Float[ArrayLike, "B ..."]) -> Float[Array, "B ..."]:
        """Blurs x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, floating.
        Returns:
            The axes of x with ceil(size / stride) entries; dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has not the axes that it should, or is empty along one.
        """
        x = given.floating(self, x)
        space.check_input(self, x, self.data_format, self.rank)
        window, strides = (
            space.with_other_axes(entries, self.data_format, 1)
            for entries in (self.window_shape, self.strides)
        )
        return F.blur_pool(x, window, strides, space.channel_axis(self.data_format))

    def __repr__(self) -> str:
        return self._repr(
            {
                "window_shape": self.window_shape,
                "strides": self.strides,
                "data_format": self.data_format,
            }
        )
