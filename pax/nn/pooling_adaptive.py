"""Pooling layers with an output of one size, whatever the size of the input."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from jaxtyping import Array, ArrayLike, Float, Num

import pax.functional as F
from pax._core import ArgumentError, Module, arguments
from pax.nn import given, space


class Adaptive(Module):
    """What pooling into bins has in common; use `AdaptiveAvgPool` or `AdaptiveMaxPool`."""

    def __init__(
        self,
        output_shape: int | Sequence[int | None],
        *,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        layer = type(self).__name__
        entries = output_shape if isinstance(output_shape, Sequence) else (output_shape,)
        if not entries or not all(
            entry is None or (arguments.is_int(entry) and entry >= 1) for entry in entries
        ):
            raise ArgumentError(
                f"{layer} got output_shape={output_shape!r}; expected a positive integer, or one "
                "for each spatial axis.",
                "write output_shape=7, or output_shape=(7, 7) over two axes; None in it keeps the "
                "size of an axis.",
            )
        sizes = tuple(entry if entry is None else operator.index(entry) for entry in entries)
        self.output_shape: Any = sizes if isinstance(output_shape, Sequence) else sizes[0]
        self.data_format = space.data_format(layer, data_format)

    def _check(self, x: Array) -> None:
        rank = len(self.output_shape) if isinstance(self.output_shape, tuple) else None
        space.check_input(self, x, self.data_format, rank)

    def __repr__(self) -> str:
        return self._repr({"output_shape": self.output_shape, "data_format": self.data_format})


class AdaptiveAvgPool(Adaptive):
    """Takes the means of bins, as many as asked for, whatever the size of the input.

    y[o, c] = mean of x[floor(o n / m), c], ..., x[ceil((o + 1) n / m) - 1, c] for a spatial axis of
    n entries and m outputs. Bins share entries where m does not divide n.

    Args:
        output_shape: number m of outputs, an integer or one for each spatial axis; None in a
            sequence keeps the size of an axis.
        data_format: "N...C" or "NC...", with any number of spatial axes.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.AdaptiveAvgPool((2, None))(jnp.ones((1, 7, 5, 3))).shape
        (1, 2, 5, 3)
    """

    def __init__(
        self,
        output_shape: int | Sequence[int | None],
        *,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(output_shape, data_format=data_format, name=name)

    def __call__(self, x: Float[ArrayLike, "B ..."]) -> Float[Array, "B ..."]:
        """Pools x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, floating.
        Returns:
            The axes of x with m entries each; dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has not the axes that it should, or is empty along one.
        """
        x = given.floating(self, x)
        self._check(x)
        return F.adaptive_avg_pool(x, self.output_shape, space.channel_axis(self.data_format))


class AdaptiveMaxPool(Adaptive):
    """Takes the maxima of bins, as many as asked for, whatever the size of the input.

    y[o, c] = max of x[floor(o n / m), c], ..., x[ceil((o + 1) n / m) - 1, c] for a spatial axis of
    n entries and m outputs. The gradient goes to the first of equal maxima.

    Args:
        output_shape: number m of outputs, an integer or one for each spatial axis; None in a
            sequence keeps the size of an axis.
        data_format: "N...C" or "NC...", with any number of spatial axes.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.AdaptiveMaxPool(2)(jnp.arange(5).reshape(1, 5, 1)).ravel()
        Array([2, 4], dtype=int32)
    """

    def __init__(
        self,
        output_shape: int | Sequence[int | None],
        *,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(output_shape, data_format=data_format, name=name)

    def __call__(self, x: Num[ArrayLike, "B ..."]) -> Num[Array, "B ..."]:
        """Pools x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, floating or integer.
        Returns:
            The axes of x with m entries each; dtype of x.
        Raises:
            DtypeError: if x is neither a floating nor an integer array.
            ShapeError: if x has not the axes that it should, or is empty along one.
        """
        x = given.array(self, x)
        self._check(x)
        return F.adaptive_max_pool(x, self.output_shape, space.channel_axis(self.data_format))
