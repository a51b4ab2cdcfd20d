"""Resizing: images of another size, by interpolation along each spatial axis."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import partial, reduce

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Shaped

from pax._core import ArgumentError, ShapeError
from pax.functional.arrays import accumulation_dtype, as_array, check_floating
from pax.functional.interpolation import METHODS, Taps, taps
from pax.functional.space import for_each_axis, space_of

#: Names that mean another one, and over how many axes.
_BY_RANK = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}


def resize(
    x: ArrayLike,
    size: int | Sequence[int],
    method: str = "nearest",
    *,
    align_corners: bool = False,
    antialias: bool = False,
    data_format: str = "N...C",
) -> Shaped[Array, "..."]:
    """Resizes an image, with as many spatial axes as it has.

    Along an axis of n entries resized to m, output i looks at the place s of the input:
    s = (i + 1/2) n / m - 1/2, or s = i (n - 1) / (m - 1) with `align_corners`. "nearest" takes
    entry floor(i n / m), "nearest-exact" the entry closest to s; "linear" weighs the two entries
    beside s by 1 - |s - j|, "cubic" the four by Keys' polynomial with a = -3/4. Beyond the border
    the last entry is repeated. All of it is as in `torch.nn.functional.interpolate`;
    `jax.image.resize` and keras differ: "nearest" there is "nearest-exact" here, and their cubic
    has a = -1/2 and leaves out what is beyond the border.

    Args:
        x: shape [B, ..., C], or [B, C, ...] with channels first; floating, or of any dtype for
            the nearest entry.
        size: number of entries m, an integer or one for each spatial axis.
        method: "nearest", "nearest-exact", "linear" (bilinear over two axes) or "cubic".
        align_corners: whether the centres of the first and the last entry stay where they are,
            instead of the outer borders; for "linear" and "cubic".
        antialias: whether an axis that shrinks is smoothed, by filters n / m times as wide; cubic
            with a = -1/2, weights over what is inside the border. For "linear" and "cubic", without
            align_corners.
        data_format: "N...C" or "NC...".
    Returns:
        Shape of x with the spatial axes of this size; dtype of x.
    Raises:
        ArgumentError: if an argument is not one of these, or two do not go together.
        ShapeError: if x has no spatial axis, or an empty one.
        DtypeError: if x is not floating where it is interpolated.
    Example:
        >>> x = jnp.array([1.0, 5.0]).reshape(1, 2, 1)
        >>> pax.functional.resize(x, 4, "linear").ravel()
        Array([1., 2., 4., 5.], dtype=float32)
        >>> pax.functional.resize(x, 5, "linear", align_corners=True).ravel()
        Array([1., 2., 3., 4., 5.], dtype=float32)
    Source: Keys, "Cubic convolution interpolation for digital image processing", 1981.
    """
    x = as_array("resize", "x", x)
    _check_method(method, align_corners, antialias)
    if not method.startswith("nearest"):
        check_floating("resize", "x", x.dtype)
    space = space_of("resize", x, data_format)
    sizes = for_each_axis("resize", "size", size, len(space))
    if any(x.shape[axis] == 0 for axis in space):
        raise ShapeError(
            f"resize got x of shape {x.shape}, which has a spatial axis of size 0.",
            "give it an input that is not empty; only the batch may be.",
        )
    return _resize(x, space, sizes, method, align_corners, antialias)


def _check_method(method: str, align_corners: bool, antialias: bool) -> None:
    """Raises unless there is such a method, and it goes with the other two."""
    if method not in METHODS:
        raise ArgumentError(
            f"resize got method={method!r}; expected one of {', '.join(map(repr, METHODS))}.",
            f"write method={_BY_RANK.get(method, METHODS[0])!r}; the name is the same for any "
            "number of axes.",
        )
    given = {"align_corners": align_corners, "antialias": antialias}
    if method.startswith("nearest") and any(given.values()):
        name = next(name for name, value in given.items() if value)
        raise ArgumentError(
            f"resize got {name}=True with method={method!r}, which interpolates nothing.",
            f"leave {name} out, or write method='linear'.",
        )
    if align_corners and antialias:
        raise ArgumentError(
            "resize got align_corners=True with antialias=True; its filters are centred on "
            "places that align_corners moves.",
            "leave one of the two out.",
        )


@partial(jax.jit, static_argnums=(1, 2, 3, 4, 5), inline=True)  # one dispatch where called eagerly
def _resize(
    x: Array,
    space: tuple[int, ...],
    sizes: tuple[int, ...],
    method: str,
    align_corners: bool,
    antialias: bool,
) -> Array:
    nearest = method.startswith("nearest")
    y = x if nearest else x.astype(accumulation_dtype(x))
    for axis, size in zip(space, sizes, strict=True):
        old = y.shape[axis]
        if size == old:
            continue
        if nearest and size % old == 0:
            y = jnp.repeat(y, size // old, axis)  # its gradient is a sum, that of takes a scatter
            continue
        y = _interpolated(y, axis, taps(old, size, method, align_corners, antialias))
    return y.astype(x.dtype)


def _interpolated(y: Array, axis: int, along: Taps) -> Array:
    """Returns weighted sums of entries along an axis: the first taps of all, the second, ...

    Entries that do not count are not touched, as they are by a product with a matrix of weights,
    where an infinite one would spoil the whole axis; and it is faster than that on the CPU.
    """
    places, weights = along
    shape = [-1 if a == axis else 1 for a in range(y.ndim)]
    terms = (jnp.take(y, place, axis, mode="clip") for place in places)
    if weights is None:
        return next(terms)
    return reduce(
        operator.add,
        (
            term * weight.astype(y.dtype).reshape(shape)
            for term, weight in zip(terms, weights, strict=True)
        ),
    )
