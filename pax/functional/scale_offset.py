"""Scale, offset and axes of the functions that normalise: checked, and brought to the input."""

from __future__ import annotations

from collections.abc import Sequence

from jax import Array
from jax.typing import ArrayLike

from pax._core import ArgumentError, ShapeError
from pax.functional.arrays import as_array


def affine(y: Array, scale: Array | None, offset: Array | None) -> Array:
    """Returns y * scale + offset, where None leaves the step out."""
    if scale is not None:
        y = y * aligned(scale, y)
    return y if offset is None else y + aligned(offset, y)


def aligned(value: Array, y: Array) -> Array:
    """Returns the value in the rank and dtype of y."""
    return value.astype(y.dtype).reshape((1,) * (y.ndim - value.ndim) + value.shape)


def checked_affine(
    function: str, scale: ArrayLike | None, offset: ArrayLike | None, x: Array
) -> tuple[Array | None, Array | None]:
    """Returns scale and offset as arrays that broadcast to x, or None."""
    return (
        None if scale is None else checked(function, "scale", scale, x),
        None if offset is None else checked(function, "offset", offset, x),
    )


def checked(function: str, argument: str, value: ArrayLike, x: Array) -> Array:
    """Returns the value as an array that broadcasts to x."""
    value = as_array(function, argument, value)
    sizes = zip(reversed(value.shape), reversed(x.shape), strict=False)
    if value.ndim > x.ndim or any(v not in (1, n) for v, n in sizes):
        raise ShapeError(
            f"{function} got {argument} of shape {value.shape} for x of shape {x.shape}; "
            "expected a shape that broadcasts to that of x.",
            f"reshape {argument} so that each axis, counted from the last, is 1 or that of x.",
        )
    return value


def checked_axes(function: str, axes: Sequence[int], x: Array) -> tuple[int, ...]:
    """Returns axes of x as distinct integers from 0; there is something to average along them."""
    inside = {axis % x.ndim for axis in axes if -x.ndim <= axis < x.ndim}
    if not inside or len(inside) != len(axes):
        raise ArgumentError(
            f"{function} got axes {tuple(axes)} for x of rank {x.ndim}.",
            "name at least one axis of x, each once.",
        )
    if any(x.shape[axis] == 0 for axis in inside):
        raise ShapeError(
            f"{function} got x of shape {x.shape}; there is no entry to average over.",
            "leave empty batches out.",
        )
    return tuple(sorted(inside))
