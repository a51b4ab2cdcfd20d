"""Interpolation along one axis: which entries make up an output, with what weights."""

from __future__ import annotations

from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from jax import Array

METHODS = ("nearest", "nearest-exact", "linear", "cubic")

#: Places [taps, outputs] and their weights [taps, outputs]; None where one entry is taken as it is.
Taps = tuple[np.ndarray, np.ndarray | None]

#: Places or distances along an axis, of a grid that is known or of one that is traced.
Places = TypeVar("Places", np.ndarray, Array)


def taps(size: int, new: int, method: str, align_corners: bool, antialias: bool) -> Taps:
    """Returns the taps of each of the `new` outputs along an axis of `size` entries."""
    outputs = np.arange(new)
    if method == "nearest":
        return (outputs * size // new)[None], None
    if method == "nearest-exact":
        return ((2 * outputs + 1) * size // (2 * new))[None], None
    if antialias:
        return _smooth(size, new, method)
    if align_corners:
        at = outputs * ((size - 1) / (new - 1) if new > 1 else 0.0)
    else:
        at = (outputs + 0.5) * size / new - 0.5
    places, weights = neighbours(at, method)
    return np.clip(np.stack(places), 0, size - 1).astype(int), np.stack(weights)


def neighbours(at: Places, method: str) -> tuple[list[Places], list[Places]]:
    """Returns the entries beside each place, which may lie beyond the ends, and their weights.

    The weights are polynomials of the distance to the entry before, so that they have a slope
    everywhere, on the entries too.
    """
    first = jnp.floor(at) if isinstance(at, Array) else np.floor(at)
    t = at - first
    if method == "linear":
        return [first, first + 1], [1 - t, t]
    weights = [_far(1 + t), _near(t), _near(1 - t), _far(2 - t)]
    return [first + k for k in (-1, 0, 1, 2)], weights


def _smooth(size: int, new: int, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns taps of filters as wide as an output, normalised over the entries that there are."""
    scale = size / new
    stretch = max(scale, 1.0)
    support = stretch * (1 if method == "linear" else 2)
    centers = (np.arange(new) + 0.5) * scale
    starts = np.maximum((centers - support + 0.5).astype(int), 0)
    ends = np.minimum((centers + support + 0.5).astype(int), size)
    places = starts + np.arange((ends - starts).max())[:, None]
    distances = np.abs(places - centers + 0.5) / stretch
    weights = np.maximum(1 - distances, 0.0) if method == "linear" else _cubic(distances, -0.5)
    weights = np.where(places < ends, weights, 0.0)
    return np.minimum(places, size - 1), weights / weights.sum(0)


def _cubic(distance: np.ndarray, a: float) -> np.ndarray:
    """Returns the weight of Keys' cubic convolution at each distance."""
    far = np.where(distance < 2, _far(distance, a), 0.0)
    return np.where(distance <= 1, _near(distance, a), far)


def _near(d: Places, a: float = -0.75) -> Places:
    """Returns Keys' weight for distances up to 1."""
    return ((a + 2) * d - (a + 3)) * d * d + 1


def _far(d: Places, a: float = -0.75) -> Places:
    """Returns Keys' weight for distances from 1 to 2."""
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
