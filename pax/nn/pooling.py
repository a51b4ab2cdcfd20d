"""What the pooling layers with sliding windows have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array

from pax._core import arguments
from pax.nn import space
from pax.nn.sliding import Padding, Sliding


class Pooling(Sliding):
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
        super().__init__(window_shape, strides, padding, rate, data_format, name)
        arguments.flags(type(self).__name__, ceil_mode=ceil_mode)
        self.ceil_mode = ceil_mode

    def _windows(self, x: Array) -> dict[str, Any]:
        """Returns what every function wants to know of the windows over `x`."""
        space.check_input(self, x, self.data_format, self.rank)
        return {
            "window_shape": space.with_other_axes(self.window_shape, self.data_format, 1),
            "strides": space.with_other_axes(self.strides, self.data_format, 1),
            "padding": space.with_other_axes(self.padding, self.data_format, (0, 0)),
            "channel_axis": space.channel_axis(self.data_format),
            "ceil_mode": self.ceil_mode,
        }
