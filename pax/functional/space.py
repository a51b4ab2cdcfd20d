"""Data formats of any rank: which axes are space, which one holds the channels."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from jax import Array

from pax._core import ArgumentError, ShapeError, arguments

FORMATS = ("N...C", "NC...")


def channel_of_format(data_format: str) -> int:
    """Returns the channel axis of a data format."""
    return -1 if data_format == FORMATS[0] else 1


def space_of(function: str, x: Array, data_format: str) -> tuple[int, ...]:
    """Returns the spatial axes of x, one at least."""
    arguments.one_of(function, "data_format", data_format, FORMATS)
    if x.ndim < 3:
        axes = "[B, ..., C]" if data_format == FORMATS[0] else "[B, C, ...]"
        raise ShapeError(
            f"{function} got x of shape {x.shape}; expected {axes} with one spatial axis or more.",
            "add the axes that are missing, as with x[None] for the batch.",
        )
    return tuple(range(1, x.ndim - 1) if data_format == FORMATS[0] else range(2, x.ndim))


def for_each_axis(function: str, argument: str, value: Any, count: int) -> tuple[int, ...]:
    """Returns an argument that is a positive integer, or one for each spatial axis, as a tuple."""
    given = tuple(value) if isinstance(value, Sequence) else (value,) * count
    if len(given) != count or not all(arguments.is_int(entry) and entry >= 1 for entry in given):
        raise ArgumentError(
            f"{function} got {argument}={value!r}; expected a positive integer or {count} of "
            "them, one for each spatial axis.",
            f"write {argument}={(2,) * count}, with numbers of your own.",
        )
    return tuple(map(operator.index, given))
