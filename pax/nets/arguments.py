"""What networks expect of their constructor arguments, and the errors when it is not so."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from pax._core import ArgumentError


def is_size(value: Any) -> bool:
    """Returns whether a value is an integer of at least 1, and not a truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= 1)


def sizes(network: str, **values: Any) -> None:
    """Raises unless every value is an integer of at least 1."""
    for name, value in values.items():
        if not is_size(value):
            raise ArgumentError(
                f"{network} got {name}={value!r}; expected an integer of at least 1.",
                f"set {name} to a positive integer.",
            )


def flags(network: str, **values: Any) -> None:
    """Raises unless every value is True or False."""
    for name, value in values.items():
        if not isinstance(value, (bool, np.bool_)):
            raise ArgumentError(
                f"{network} got {name}={value!r}; expected True or False.",
                f"write {name}=True, and name the arguments after it.",
            )


def rate(network: str, name: str, value: Any) -> float:
    """Returns a number from 0 to 1, without 1 itself, as a Python float."""
    is_number = isinstance(value, (int, float, np.integer, np.floating))
    if not is_number or isinstance(value, bool) or not 0 <= value < 1:
        raise ArgumentError(
            f"{network} got {name}={value!r}; expected a number in [0, 1).", f"write {name}=0.1."
        )
    return float(value)


def size_list(network: str, name: str, value: Any, n: int | None = None) -> tuple[int, ...]:
    """Returns a sequence of positive integers as a tuple; raises if it is none, or not `n` long."""
    if not isinstance(value, Sequence) or len(value) == 0 or not all(map(is_size, value)):
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


def one_of(network: str, name: str, value: Any, choices: Sequence[str]) -> None:
    """Raises unless a value is one of the choices."""
    if value not in choices:
        raise ArgumentError(
            f"{network} got {name}={value!r}; expected one of {', '.join(map(repr, choices))}.",
            f"write {name}={choices[0]!r}.",
        )
