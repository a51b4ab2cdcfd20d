"""Windows that slide over axes: their sizes, their padding, and whether they fit."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from pax._core import ArgumentError, ShapeError

Pairs = tuple[tuple[int, int], ...]
Padding = str | Sequence[Sequence[int]]


def per_axis(
    function: str, argument: str, value: Any, count: int, minimum: int = 1
) -> tuple[int, ...]:
    """Returns `value`, an integer of this size or a sequence of `count` of them, as a tuple."""
    entries = tuple(value) if isinstance(value, Sequence) else (value,) * count
    if len(entries) != count or not all(_is_size(entry, minimum) for entry in entries):
        kind = "a positive integer" if minimum == 1 else f"an integer >= {minimum}"
        raise ArgumentError(
            f"{function} got {argument}={value!r}; expected {kind} or {count} of them.",
            f"write {argument}={(2,) * count}, with one number of your own for each axis.",
        )
    return tuple(map(operator.index, entries))


def check_padding(
    function: str, padding: Any, count: int, *, may_be_causal: bool = False
) -> str | Pairs:
    """Returns the padding as "SAME", "VALID", with one axis perhaps "CAUSAL", or as pairs."""
    names = ("SAME", "VALID", "CAUSAL") if may_be_causal and count == 1 else ("SAME", "VALID")
    if isinstance(padding, str):
        if padding.upper() in names:
            return padding.upper()
    elif isinstance(padding, Sequence) and len(padding) == count and all(map(_is_pair, padding)):
        return tuple((operator.index(before), operator.index(after)) for before, after in padding)
    raise ArgumentError(
        f"{function} got padding={padding!r}; expected {', '.join(map(repr, names))} or {count} "
        "pairs of integers >= 0.",
        f"write padding={[(1, 1)] * count}, with one pair (before, after) for each axis.",
    )


def pad_pairs(
    padding: str | Pairs, sizes: Sequence[int], windows: Sequence[int], strides: Sequence[int]
) -> Pairs:
    """Returns the (before, after) pairs of each axis.

    "SAME" pads so that the output has ceil(size / stride) entries, the odd one after, and "CAUSAL"
    so that no window reaches beyond its own place.
    """
    if not isinstance(padding, str):
        return padding
    if padding == "VALID":
        return ((0, 0),) * len(sizes)
    if padding == "CAUSAL":
        return tuple((window - 1, 0) for window in windows)
    totals = [
        max((-(-size // stride) - 1) * stride + window - size, 0)
        for size, window, stride in zip(sizes, windows, strides, strict=True)
    ]
    return tuple((total // 2, total - total // 2) for total in totals)


def check_fit(
    function: str,
    shape: Sequence[int],
    sizes: Sequence[int],
    windows: Sequence[int],
    pairs: Pairs,
) -> None:
    """Raises if a window is larger than its padded axis: there would be no output."""
    for size, window, pair in zip(sizes, windows, pairs, strict=True):
        if window > max(size + sum(pair), 1):
            raise ShapeError(
                f"{function} got input of shape {tuple(shape)}; a window of {window} does not "
                f"fit an axis of {size} padded by {pair}.",
                "use a smaller window, more padding or a larger input.",
            )


def _is_size(value: Any, minimum: int) -> bool:
    """Returns whether `value` is an integer, no truth value, of at least `minimum`."""
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return is_integer and bool(value >= minimum)


def _is_pair(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) == 2 and all(_is_size(v, 0) for v in value)
