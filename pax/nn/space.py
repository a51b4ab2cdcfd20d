"""Inputs with any number of spatial axes, and what a layer says of them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from jaxtyping import Array

from pax._core import ArgumentError, Module, ShapeError, arguments

#: The two orders of axes, and which one holds the channels.
_CHANNEL = {"N...C": -1, "NC...": 1}


def data_format(layer: str, value: str) -> str:
    """Returns a data format of any rank; raises if it is none."""
    arguments.one_of(layer, "data_format", value, tuple(_CHANNEL))
    return value


def channel_axis(data_format: str) -> int:
    """Returns the axis of the channels."""
    return _CHANNEL[data_format]


def with_other_axes(entries: Any, data_format: str, nothing: Any) -> Any:
    """Returns entries for the spatial axes with one for batch and one for channels."""
    if not isinstance(entries, tuple):
        return entries
    if channel_axis(data_format) == 1:
        return (nothing, nothing, *entries)
    return (nothing, *entries, nothing)


def sizes(layer: str, name: str, value: Any) -> int | tuple[int, ...]:
    """Returns an argument that is a positive integer, or one for each spatial axis."""
    if arguments.is_int(value) and value >= 1:
        return operator.index(value)
    if (
        isinstance(value, Sequence)
        and len(value) > 0
        and all(arguments.is_int(entry) and entry >= 1 for entry in value)
    ):
        return tuple(map(operator.index, value))
    raise ArgumentError(
        f"{layer} got {name}={value!r}; expected a positive integer, or one for each spatial axis.",
        f"write {name}=2, or {name}=(2, 2) over two axes.",
    )


def rank(layer: str, **values: Any) -> int | None:
    """Returns the number of spatial axes that sequences among the arguments fix, or None."""
    lengths = {name: len(value) for name, value in values.items() if isinstance(value, tuple)}
    if len(set(lengths.values())) > 1:
        listed = " and ".join(f"{n} for {name}" for name, n in lengths.items())
        raise ArgumentError(
            f"{layer} got entries for different numbers of spatial axes: {listed}.",
            "give each of them one entry for each axis, or one integer for all.",
        )
    return next(iter(lengths.values()), None)


def check_input(module: Module, x: Array, data_format: str, rank: int | None) -> None:
    """Raises unless `x` has batch, channels and that many spatial axes, at least one."""
    n = x.ndim - 2
    if n < 1 or (rank is not None and n != rank):
        space = "..." if rank is None else ", ".join(["N"] * rank)
        axes = f"[B, {space}, C]" if data_format == "N...C" else f"[B, C, {space}]"
        wanted = {None: "one spatial axis or more", 1: "1 spatial axis"}
        raise ShapeError(
            f"{module!r} got input of shape {x.shape}; expected {axes}.",
            f"give it {wanted.get(rank, f'{rank} spatial axes')}, between or after batch and "
            "channels; x[None] adds the batch axis.",
        )
