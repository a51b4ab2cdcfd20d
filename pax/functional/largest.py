"""The largest entry of each window along one axis, by slices of the whole array."""

from __future__ import annotations

from functools import reduce

import jax.numpy as jnp
from jax import Array, lax

from pax.functional.pooling_windows import entries

#: An array, or two: the second holds the place of each entry of the first, -1 for padding.
Parts = tuple[Array, ...]

#: Windows of more entries are compared by doubling, so that programs stay short.
_MANY = 16


def largest(parts: Parts, axis: int, window: int, step: int = 1, rate: int = 1) -> Parts:
    """Returns the largest entries of windows along an axis, and their places beside them.

    Of equal entries the first is taken, and an entry of the array before padding. The gradient
    goes where the entry came from.
    """
    if step > 1 and window <= _MANY:
        each = zip(*(entries(part, axis, window, step, rate) for part in parts), strict=True)
        return reduce(larger, each)
    width = 1
    while width < window:  # maxima over 1, 2, 4, ... entries, of two shorter windows that overlap
        shift = min(width, window - width)
        size = parts[0].shape[axis] - shift * rate
        parts = larger(
            tuple(lax.slice_in_dim(part, 0, size, axis=axis) for part in parts),
            tuple(lax.slice_in_dim(part, shift * rate, None, axis=axis) for part in parts),
        )
        width += shift
    return tuple(lax.slice_in_dim(part, 0, None, step, axis) for part in parts)


def larger(first: Parts, second: Parts) -> Parts:
    """Returns the larger entries, those of `first` where both are equal; NaN where one is."""
    keep = (first[0] >= second[0]) | jnp.isnan(first[0])
    if len(first) > 1:
        keep = (keep & (first[1] >= 0)) | (second[1] < 0)
    return tuple(jnp.where(keep, a, b) for a, b in zip(first, second, strict=True))
