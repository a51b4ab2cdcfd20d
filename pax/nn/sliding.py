"""What the layers whose windows slide over all spatial axes have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pax._core import Module, arguments
from pax.nn import space

#: "SAME", "VALID", or the padding (before, after) of each spatial axis.
Padding = str | Sequence[Sequence[int]]


class Sliding(Module):
    """Windows over any number of spatial axes, their arguments checked."""

    def __init__(
        self,
        window_shape: int | Sequence[int],
        strides: int | Sequence[int] | None,
        padding: Padding,
        rate: int | Sequence[int],
        data_format: str,
        name: str | None,
        **others: tuple[int, ...],
    ) -> None:
        super().__init__(name=name)
        layer = type(self).__name__
        self.window_shape = space.sizes(layer, "window_shape", window_shape)
        self.strides = (
            self.window_shape if strides is None else space.sizes(layer, "strides", strides)
        )
        are_pairs = isinstance(padding, Sequence) and not isinstance(padding, str)
        self.padding: Any = arguments.padding(layer, padding, len(padding) if are_pairs else 2)
        self.rate = space.sizes(layer, "rate", rate)
        self.data_format = space.data_format(layer, data_format)
        self.rank = space.rank(
            layer,
            **others,
            window_shape=self.window_shape,
            strides=self.strides,
            padding=self.padding,
            rate=self.rate,
        )

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
