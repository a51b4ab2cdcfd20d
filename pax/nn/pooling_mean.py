"""Pooling layers that sum: the mean or the norm of each window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
from pax._core import ArgumentError, arguments
from pax.nn import given
from pax.nn.pooling import Pooling
from pax.nn.sliding import Padding


class AvgPool(Pooling):
    """Takes means over windows that slide over the spatial axes.

    y[o, c] = mean of x[o * strides + k, c] over the offsets k of the window that lie inside x; with
    `count_include_pad`, inside x and its padding.

    Args:
        window_shape: size of the window, an integer or one for each spatial axis.
        strides: distance between two windows, likewise; by default the size of the window.
        padding: "VALID" (whole windows only), "SAME" (output size is input size over stride,
            rounded up), or one pair (before, after) for each spatial axis.
        count_include_pad: whether padding counts, as zeros.
        ceil_mode: whether a last window may reach beyond the end, if it begins before the padding
            there.
        data_format: "N...C" or "NC...", with any number of spatial axes.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.AvgPool(2)(jnp.ones((1, 8, 8, 3))).shape
        (1, 4, 4, 3)
    """

    def __init__(
        self,
        window_shape: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: Padding = "VALID",
        *,
        count_include_pad: bool = False,
        ceil_mode: bool = False,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(window_shape, strides, padding, ceil_mode, data_format, name)
        arguments.flags("AvgPool", count_include_pad=count_include_pad)
        self.count_include_pad = count_include_pad

    def __call__(self, x: Float[ArrayLike, "B ..."]) -> Float[Array, "B ..."]:
        """Pools x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, floating.
        Returns:
            The axes of x with as many entries as there are windows; dtype of x.
        Raises:
            ArgumentError: if a window would hold padding alone.
            DtypeError: if x is not a floating array.
            ShapeError: if x has not the axes that it should, or a window does not fit.
        """
        x = given.floating(self, x)
        return F.avg_pool(x, **self._windows(x), count_include_pad=self.count_include_pad)


class LpPool(Pooling):
    """Takes p-norms over windows that slide over the spatial axes.

    y[o, c] = (sum of |x[o * strides + k, c]|^p)^(1/p) over the offsets k of the window. The
    gradient where all of a window is zero is zero.

    Args:
        p: the order of the norm, at least 1; 1 sums absolute values.
        window_shape: size of the window, an integer or one for each spatial axis.
        strides: distance between two windows, likewise; by default the size of the window.
        padding: "VALID" (whole windows only), "SAME" (output size is input size over stride,
            rounded up), or one pair (before, after) for each spatial axis.
        ceil_mode: whether a last window may reach beyond the end, if it begins before the padding
            there.
        data_format: "N...C" or "NC...", with any number of spatial axes.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.LpPool(2, 3, strides=2)(jnp.ones((1, 9, 3))).shape
        (1, 4, 3)
    """

    def __init__(
        self,
        p: float,
        window_shape: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: Padding = "VALID",
        *,
        ceil_mode: bool = False,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(window_shape, strides, padding, ceil_mode, data_format, name)
        self.p = arguments.number("LpPool", "p", p)
        if self.p < 1:
            raise ArgumentError(
                f"LpPool got p={p!r}; expected at least 1.", "write p=2 for the Euclidean norm."
            )

    def __call__(self, x: Float[ArrayLike, "B ..."]) -> Float[Array, "B ..."]:
        """Pools x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, floating.
        Returns:
            The axes of x with as many entries as there are windows; dtype of x.
        Raises:
            ArgumentError: if a window would hold padding alone.
            DtypeError: if x is not a floating array.
            ShapeError: if x has not the axes that it should, or a window does not fit.
        """
        x = given.floating(self, x)
        return F.lp_pool(x, self.p, **self._windows(x))

    def _shown(self) -> dict[str, Any]:
        return {"p": self.p} | super()._shown()
