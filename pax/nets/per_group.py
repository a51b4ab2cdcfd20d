"""Constructor arguments with one entry for each group of blocks."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from pax._core import ArgumentError, arguments


def size_list(network: str, name: str, value: Any, n: int | None = None) -> tuple[int, ...]:
    """Returns a sequence of positive integers as a tuple; raises if it is none, or not `n` long."""
    if not isinstance(value, Sequence) or len(value) == 0 or not all(map(_is_size, value)):
        raise ArgumentError(
            f"{network} got {name}={value!r}; expected a sequence of positive integers.",
            f"write one for each group, e.g. {name}={(2,) * (n or 4)}.",
        )
    if n is not None:
        one_each(network, name, value, n)
    return tuple(map(operator.index, value))


def one_each(network: str, name: str, value: Sequence[Any], n: int) -> None:
    """Raises unless a sequence has one entry for each group of blocks."""
    if len(value) != n:
        raise ArgumentError(
            f"{network} got {name}={value!r} of length {len(value)}, and blocks_per_group of "
            f"length {n}; expected one for each group.",
            f"give {name} {n} entries.",
        )


def _is_size(value: Any) -> bool:
    return arguments.is_int(value) and value >= 1
