"""Windows that pooling slides over an array: sizes, steps and padding of every axis."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jax import Array, lax

from pax._core import ArgumentError
from pax.functional.windows import Padding, Pairs, check_fit, check_padding, pad_pairs, per_axis


class Windows(NamedTuple):
    """Windows over an array: one entry for each of its axes, those without windows included.

    The entry o of the output sees o * strides + k * rate, for k below `shape`, less the padding.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    rate: tuple[int, ...]
    #: The padding that was asked for.
    asked: Pairs
    #: The padding that there is: `ceil_mode` adds to the end.
    pairs: Pairs


def windows_over(
    function: str,
    value: Array,
    window_shape: int | Sequence[int],
    strides: int | Sequence[int],
    padding: Padding,
    channel_axis: int | None,
    *,
    rate: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Windows:
    """Returns the windows that these arguments of a pooling function mean for the value."""
    rank = value.ndim
    skipped = {0, channel_of(function, value, channel_axis)}

    def for_each_axis(argument: str, given: int | Sequence[int]) -> tuple[int, ...]:
        if isinstance(given, Sequence) and len(given) == rank - 1:
            given = (1, *given)
        entries = per_axis(function, argument, given, rank)
        if isinstance(given, Sequence):
            return entries
        return tuple(1 if axis in skipped else entry for axis, entry in enumerate(entries))

    shape = for_each_axis("window_shape", window_shape)
    steps = for_each_axis("strides", strides)
    rates = for_each_axis("rate", rate)
    if not isinstance(padding, str) and isinstance(padding, Sequence) and len(padding) == rank - 1:
        padding = ((0, 0), *padding)
    spans = tuple((n - 1) * r + 1 for n, r in zip(shape, rates, strict=True))
    asked = pad_pairs(check_padding(function, padding, rank), value.shape, spans, steps)
    pairs = _rounded_up(value.shape, spans, steps, asked) if ceil_mode else asked
    check_fit(function, value.shape, value.shape, spans, pairs)
    windows = Windows(shape, steps, rates, asked, pairs)
    _check_no_window_is_padding(function, value, windows)
    return windows


def channel_of(function: str, value: Array, channel_axis: int | None) -> int:
    """Returns the channel axis, at least 0; the batch axis 0 where there are no channels."""
    channel = 0 if channel_axis is None else operator.index(channel_axis)
    if not -value.ndim <= channel < value.ndim:
        raise ArgumentError(
            f"{function} got channel_axis={channel} for value of rank {value.ndim}.",
            "name one of its axes, or None for a value without channels.",
        )
    return channel % value.ndim


def entries(value: Array, axis: int, window: int, step: int, rate: int = 1) -> Iterator[Array]:
    """Yields the first entries of all windows along an axis, then the second, and so on."""
    count = (value.shape[axis] - (window - 1) * rate - 1) // step + 1
    for start in range(0, window * rate, rate):
        yield lax.slice_in_dim(value, start, start + (count - 1) * step + 1, step, axis)


def counts(shape: Sequence[int], windows: Windows, *, padding: bool = False) -> list[np.ndarray]:
    """Returns, for each axis, how many entries of each window lie inside the array.

    With `padding`, the entries inside the padding that was asked for count too.
    """
    found = []
    for size, window, step, rate, (before, after), (_, end) in zip(shape, *windows, strict=True):
        starts = np.arange(-before, size + end - (window - 1) * rate, step)
        places = starts[:, None] + rate * np.arange(window)
        low, high = (-before, size + after) if padding else (0, size)
        found.append(((places >= low) & (places < high)).sum(axis=1))
    return found


def _rounded_up(
    sizes: Sequence[int], spans: Sequence[int], steps: Sequence[int], pairs: Pairs
) -> Pairs:
    """Returns the padding with as much at the end as a last window needs that begins before it."""
    padded = []
    for size, span, step, (before, after) in zip(sizes, spans, steps, pairs, strict=True):
        rest = size + before + after - span
        last = -(-rest // step) * step  # where the last window begins
        missing = last - rest if 0 <= last < size + before else 0
        padded.append((before, after + missing))
    return tuple(padded)


def _check_no_window_is_padding(function: str, value: Array, windows: Windows) -> None:
    """Raises if a window holds no entry of the value: it has neither mean nor maximum."""
    if not any(map(any, windows.asked)):
        return
    for size, inside, window, pair in zip(
        value.shape, counts(value.shape, windows), windows.shape, windows.asked, strict=True
    ):
        if any(pair) and not inside.all():
            raise ArgumentError(
                f"{function} got an axis of {size} padded by {pair}; a window of {window} would "
                "hold padding alone.",
                "use less padding on this axis.",
            )
