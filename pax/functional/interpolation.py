"""Interpolation along one axis: which entries make up an output, with what weights."""

from __future__ import annotations

import numpy as np
from jax import Array

METHODS = ("nearest", "nearest-exact", "linear", "cubic")

#: Places [taps, outputs] and their weights [taps, outputs]; None where one entry is taken as it is.
Taps = tuple[np.ndarray, np.ndarray | None]

Distances = np.ndarray | Array


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
    return np.clip(places, 0, size - 1).astype(int), weights


def neighbours(at: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the entries beside each place, which may lie beyond the ends, and their weights."""
    first = np.floor(at)
    reach = (0, 1) if method == "linear" else (-1, 0, 1, 2)
    places = np.stack([first + k for k in reach])
    kernel = linear if method == "linear" else cubic
    return places, kernel(np.abs(at - places))


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
    weights = linear(distances) if method == "linear" else cubic(distances, -0.5)
    weights = np.where(places < ends, weights, 0.0)
    return np.minimum(places, size - 1), weights / weights.sum(0)


def linear(distance: np.ndarray) -> np.ndarray:
    """Returns the weight of linear interpolation at each distance, at least 0."""
    return np.maximum(1 - distance, 0.0)


def cubic(distance: np.ndarray, a: float = -0.75) -> np.ndarray:
    """Returns the weight of Keys' cubic convolution at each distance, at least 0."""
    d = distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))
