"""Pooling layers that compare: the maximum or the minimum of each window."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Array, ArrayLike, Num

import pax.functional as F
from pax.nn import given, space
from pax.nn.pooling import Pooling
from pax.nn.sliding import Padding


class MaxPool(Pooling):
    """Takes maxima over windows that slide over the spatial axes.

    y[o, c] = max of x[o * strides + k * rate, c] over the offsets k of the window that lie inside
    x. The gradient goes to the first of equal maxima.

    Args:
        window_shape: size of the window, an integer or one for each spatial axis.
        strides: distance between two windows, likewise; by default the size of the window.
        padding: "VALID" (whole windows only), "SAME" (output size is input size over stride,
            rounded up), or one pair (before, after) for each spatial axis;
            padding is never the maximum.
        rate: distance between the entries of a window, an integer or one for each spatial axis.
        ceil_mode: whether a last window may reach beyond the end, if it begins before the padding
            there.
        data_format: "N...C" or "NC...", with any number of spatial axes.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.MaxPool(3, strides=2, padding="SAME")(jnp.ones((1, 8, 8, 3))).shape
        (1, 4, 4, 3)
    """

    def __init__(
        self,
        window_shape: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: Padding = "VALID",
        *,
        rate: int | Sequence[int] = 1,
        ceil_mode: bool = False,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(window_shape, strides, padding, ceil_mode, data_format, name, rate=rate)

    def __call__(self, x: Num[ArrayLike, "B ..."]) -> Num[Array, "B ..."]:
        """Pools x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, floating or integer.
        Returns:
            The axes of x with as many entries as there are windows; dtype of x.
        Raises:
            ArgumentError: if a window would hold padding alone.
            DtypeError: if x is neither a floating nor an integer array.
            ShapeError: if x has not the axes that it should, or a window does not fit.
        """
        x = given.array(self, x)
        rate = space.with_other_axes(self.rate, self.data_format, 1)
        return F.max_pool(x, **self._windows(x), rate=rate)


class MinPool(Pooling):
    """Takes minima over windows that slide over the spatial axes.

    y[o, c] = min of x[o * strides + k * rate, c] over the offsets k of the window that lie inside
    x. The gradient goes to the first of equal minima.

    Args:
        window_shape: size of the window, an integer or one for each spatial axis.
        strides: distance between two windows, likewise; by default the size of the window.
        padding: "VALID" (whole windows only), "SAME" (output size is input size over stride,
            rounded up), or one pair (before, after) for each spatial axis;
            padding is never the minimum.
        rate: distance between the entries of a window, an integer or one for each spatial axis.
        ceil_mode: whether a last window may reach beyond the end, if it begins before the padding
            there.
        data_format: "N...C" or "NC...", with any number of spatial axes.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.MinPool(2)(jnp.array([[[3.0], [1.0], [2.0], [5.0]]])).ravel()
        Array([1., 2.], dtype=float32)
    """

    def __init__(
        self,
        window_shape: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: Padding = "VALID",
        *,
        rate: int | Sequence[int] = 1,
        ceil_mode: bool = False,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(window_shape, strides, padding, ceil_mode, data_format, name, rate=rate)

    def __call__(self, x: Num[ArrayLike, "B ..."]) -> Num[Array, "B ..."]:
        """Pools x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, floating or integer.
        Returns:
            The axes of x with as many entries as there are windows; dtype of x.
        Raises:
            ArgumentError: if a window would hold padding alone.
            DtypeError: if x is neither a floating nor an integer array.
            ShapeError: if x has not the axes that it should, or a window does not fit.
        """
        x = given.array(self, x)
        rate = space.with_other_axes(self.rate, self.data_format, 1)
        return F.min_pool(x, **self._windows(x), rate=rate)
