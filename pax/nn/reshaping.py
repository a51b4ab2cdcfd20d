"""Layers that change nothing but the shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Array, ArrayLike, Shaped

from pax._core import ArgumentError, Module, ShapeError, arguments
from pax.nn import given


class Flatten(Module):
    """Joins neighbouring axes into one, by default all but the first.

    Args:
        start_axis: the first axis to join.
        end_axis: the last axis to join.
        name: name of the module.
    Raises:
        ArgumentError: if an axis is no integer.
    Example:
        >>> pax.Flatten()(jnp.ones((2, 3, 4, 5))).shape
        (2, 60)
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1, *, name: str | None = None) -> None:
        super().__init__(name=name)
        arguments.integer("Flatten", "start_axis", start_axis)
        arguments.integer("Flatten", "end_axis", end_axis)
        self.start_axis = start_axis
        self.end_axis = end_axis

    def __call__(self, x: Shaped[ArrayLike, "..."]) -> Shaped[Array, "..."]:
        """Joins the axes.

        Args:
            x: an array that has the axes.
        Returns:
            The same entries with one axis in the place of start_axis ... end_axis.
        Raises:
            DtypeError: if x is not an array.
            ShapeError: if x has not the axes, or the last comes before the first.
        """
        x = given.array(self, x)
        axes = (self.start_axis, self.end_axis)
        start, end = (axis + x.ndim if axis < 0 else axis for axis in axes)
        if not 0 <= start <= end < x.ndim:
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}, which has no axes from {axes[0]} to "
                f"{axes[1]}.",
                "choose axes that the input has, in order; start_axis=0 where there is no batch.",
            )
        joined = math.prod(x.shape[start : end + 1])
        return x.reshape(*x.shape[:start], joined, *x.shape[end + 1 :])

    def __repr__(self) -> str:
        return self._repr({"start_axis": self.start_axis, "end_axis": self.end_axis})


class Reshape(Module):
    """Gives each sample of a batch another shape.

    y[b] = x[b] reshaped, in the order of the last axis first, as everywhere.

    Args:
        shape: the new shape without the batch axis; one size may be -1, for what remains.
        name: name of the module.
    Raises:
        ArgumentError: if shape is not a sequence of sizes with at most one -1.
    Example:
        >>> pax.Reshape((7, 7, -1))(jnp.ones((2, 490))).shape
        (2, 7, 7, 10)
    """

    def __init__(self, shape: Sequence[int], *, name: str | None = None) -> None:
        super().__init__(name=name)
        if (
            not isinstance(shape, Sequence)
            or not all(arguments.is_int(n) and n >= -1 for n in shape)
            or list(shape).count(-1) > 1
        ):
            raise ArgumentError(
                f"Reshape got shape={shape!r}; expected a sequence of sizes, at most one of them "
                "-1.",
                "give the shape of one sample, without the batch: pax.Reshape((7, 7, 64)).",
            )
        self.shape = tuple(map(int, shape))

    def __call__(self, x: Shaped[ArrayLike, "..."]) -> Shaped[Array, "..."]:
        """Reshapes the samples.

        Args:
            x: an array, shape [B, ...].
        Returns:
            Shape [B, *shape].
        Raises:
            DtypeError: if x is not an array.
            ShapeError: if x has no batch axis, or its samples have another number of entries.
        """
        x = given.array(self, x)
        entries = math.prod(x.shape[1:])
        known = math.prod(n for n in self.shape if n != -1)
        fits = known != 0 and entries % known == 0 if -1 in self.shape else known == entries
        if x.ndim == 0 or not fits:
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}, whose samples have "
                f"{entries if x.ndim else 'no batch axis and 1'} entries.",
                "change shape to one of as many entries; the first axis of the input, the batch, "
                "stays.",
            )
        return x.reshape(x.shape[0], *(entries // known if n == -1 else n for n in self.shape))

    def __repr__(self) -> str:
        return self._repr({"shape": self.shape})
