"""Windows of an image side by side, and images put together from them, as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array, ArrayLike, Float, Num

import pax.functional as F
from pax._core import ArgumentError
from pax.nn import given, space
from pax.nn.sliding import Padding, Sliding


class Unfold(Sliding):
    """Lays the windows of an image side by side, each as one vector.

    y[b, l, c K + k] = x[b, o(l) * strides + w(k) * rate, c], with o(l) the l-th place of a window
    and w(k) the k-th of its K entries, both counted row by row.

    Args:
        window_shape: size of the window, an integer or one for each spatial axis.
        strides: distance between two windows, likewise.
        padding: "VALID" (whole windows only), "SAME" (size over stride windows, rounded up), or one
            pair (before, after) for each spatial axis; padding is zero.
        rate: distance between the entries of a window, an integer or one for each spatial axis.
        data_format: "N...C" or "NC...", with any number of spatial axes.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.Unfold(4, strides=4)(jnp.ones((1, 32, 32, 3))).shape
        (1, 64, 48)
    """

    def __init__(
        self,
        window_shape: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "VALID",
        *,
        rate: int | Sequence[int] = 1,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(window_shape, strides, padding, rate, data_format, name)

    def __call__(self, x: Num[ArrayLike, "B ..."]) -> Num[Array, "B _ _"]:
        """Lays the windows of x side by side.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, of any numbers.
        Returns:
            Shape [B, L, C * K] for L windows, or [B, C * K, L] with channels first; dtype of x.
        Raises:
            ShapeError: if x has not the axes that it should, or a window does not fit.
        """
        x = given.array(self, x)
        space.check_input(self, x, self.data_format, self.rank)
        return F.unfold(
            x,
            self.window_shape,
            self.strides,
            self.padding,
            rate=self.rate,
            data_format=self.data_format,
        )


class Fold(Sliding):
    """Puts windows back where `Unfold` took them, and adds where they overlap: its transpose.

    Args:
        spatial_shape: the spatial axes of the image.
        window_shape: size of the window, an integer or one for each spatial axis.
        strides: distance between two windows, likewise.
        padding: "VALID", "SAME" or pairs, as for `Unfold`; what falls there is dropped.
        rate: distance between the entries of a window, an integer or one for each spatial axis.
        data_format: "N...C" or "NC...".
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.Fold((32, 32), 4, strides=4)(jnp.ones((1, 64, 48))).shape
        (1, 32, 32, 3)
    """

    def __init__(
        self,
        spatial_shape: Sequence[int],
        window_shape: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "VALID",
        *,
        rate: int | Sequence[int] = 1,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        if not isinstance(spatial_shape, Sequence):
            raise ArgumentError(
                f"Fold got spatial_shape={spatial_shape!r}; expected a size for each spatial axis.",
                "write spatial_shape=(8, 8) for an image of 8 x 8.",
            )
        sizes: Any = space.sizes("Fold", "spatial_shape", spatial_shape)
        super().__init__(
            window_shape, strides, padding, rate, data_format, name, spatial_shape=sizes
        )
        self.spatial_shape = sizes

    def __call__(self, x: Float[ArrayLike, "B _ _"]) -> Float[Array, "B ..."]:
        """Puts the windows x together.

        Args:
            x: shape [B, L, C * K], or [B, C * K, L] with channels first, floating.
        Returns:
            Shape [B, ..., C], or [B, C, ...] with channels first; dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x holds other windows than those of such an image.
        """
        x = given.floating(self, x)
        return F.fold(
            x,
            self.spatial_shape,
            self.window_shape,
            self.strides,
            self.padding,
            rate=self.rate,
            data_format=self.data_format,
        )

    def _shown(self) -> dict[str, Any]:
        return {"spatial_shape": self.spatial_shape} | super()._shown()
