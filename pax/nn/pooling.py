"""What the pooling layers with sliding windows have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array

from pax._core import Module, arguments
from pax.nn import space

#: "SAME", "VALID", or the padding (before, after) of each spatial axis.
Padding = str | Sequence[Sequence[int]]


class Pooling(Module):
    """Windows that slide over all spatial axes; use `AvgPool`, `LpPool`, `MaxPool` or `MinPool`."""

    def __init__(
        self,
        window_shape: int | Sequence[int],
        strides: int | Sequence[int] | None,
        padding: Padding,
        ceil_mode: bool,
        data_format: str,
        name: str | None,
        *,
        rate: int | Sequence[int] = 1,
    ) -> None:
        super().__init__(name=name)
        layer = type(self).__name__
        self.window_shape = space.sizes(layer, "window_shape", window_shape)
        self.strides = (
            self.window_shape if strides is None else space.sizes(layer, "strides", strides)
        )
        are_pairs = isinstance(padding, Sequence) and not isinstance(padding, str)
        self.padding = arguments.padding(layer, padding, len(padding) if are_pairs else 2)
        self.rate = space.sizes(layer, "rate", rate)
        arguments.flags(layer, ceil_mode=ceil_mode)
        self.ceil_mode = ceil_mode
        self.data_format = space.data_format(layer, data_format)
        self.rank = space.rank(
            layer,
            window_shape=self.window_shape,
            strides=self.strides,
            padding=self.padding,
            rate=self.rate,
        )

    def _windows(self, x: Array) -> dict[str, Any]:
        """Returns what every function wants to know of the windows over `x`."""
        space.check_input(self, x, self.data_format, self.rank)
        return {
            "window_shape": self._with_other_axes(self.window_shape, 1),
            "strides": self._with_other_axes(self.strides, 1),
            "padding": self._with_other_axes(self.padding, (0, 0)),
            "channel_axis": space.channel_axis(self.data_format),
            "ceil_mode": self.ceil_mode,
        }

    def _with_other_axes(self, entries: Any, nothing: Any) -> Any:
        """Returns entries for the spatial axes with one for batch and one for channels."""
        if not isinstance(entries, tuple):
            return entries
        if space.channel_axis(self.data_format) == 1:
            return (nothing, nothing, *entries)
        return (nothing, *entries, nothing)

    def _shown(self) -> dict[str, Any]:
        """Returns the arguments that the printed form shows."""
        return {
            "window_shape": self.window_shape,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
        }

    def __repr__(self) -> str:
        return self._repr(self._shown())
