"""Resizing by a factor, as a layer."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Array, ArrayLike, Shaped

import pax.functional as F
from pax._core import ArgumentError, Module, ShapeError, arguments
from pax.nn import given, space

_METHODS = ("nearest", "nearest-exact", "linear", "cubic")


class Upsample(Module):
    """Resizes an image by a factor, as `pax.functional.resize` does to a size.

    An axis of n entries gets scale * n, which must be a whole number: resize to a size of your own
    where it is not. A scale below 1 makes the image smaller.

    Args:
        scale: factor, a positive number or one for each spatial axis.
        method: "nearest", "nearest-exact", "linear" (bilinear over two axes) or "cubic".
        align_corners: whether the centres of the first and the last entry stay where they are, for
            "linear" and "cubic".
        antialias: whether an axis that shrinks is smoothed, for "linear" and "cubic".
        data_format: "N...C" or "NC...", with any number of spatial axes.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.Upsample(2, "linear")(jnp.array([[[1.0], [5.0]]])).ravel()
        Array([1., 2., 4., 5.], dtype=float32)
    """

    def __init__(
        self,
        scale: float | Sequence[float],
        method: str = "nearest",
        *,
        align_corners: bool = False,
        antialias: bool = False,
        data_format: str = "N...C",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        factors = scale if isinstance(scale, Sequence) else (scale,)
        if not factors or not all(arguments.is_number(entry) and entry > 0 for entry in factors):
            raise ArgumentError(
                f"Upsample got scale={scale!r}; expected a positive number, or one for each "
                "spatial axis.",
                "write scale=2, or scale=(2, 2) over two axes.",
            )
        arguments.flags("Upsample", align_corners=align_corners, antialias=antialias)
        arguments.one_of("Upsample", "method", method, _METHODS)
        if bool(align_corners) + bool(antialias) + method.startswith("nearest") > 1:
            raise ArgumentError(
                f"Upsample got method={method!r} with align_corners={align_corners} and "
                f"antialias={antialias}; only one of them may be, and for 'linear' and 'cubic'.",
                "leave out what does not belong to the method.",
            )
        self.scale = tuple(factors) if isinstance(scale, Sequence) else scale
        self.method = method
        self.align_corners = align_corners
        self.antialias = antialias
        self.data_format = space.data_format("Upsample", data_format)

    def __call__(self, x: Shaped[ArrayLike, "B ..."]) -> Shaped[Array, "B ..."]:
        """Resizes x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first; floating, or of any dtype
                for the nearest entry.
        Returns:
            Shape of x with spatial axes scale times as long; dtype of x.
        Raises:
            DtypeError: if x is not floating where it is interpolated.
            ShapeError: if x has not the axes that it should, or scale makes no whole number of one.
        """
        x = given.array(self, x)
        scales = self.scale if isinstance(self.scale, tuple) else (self.scale,) * (x.ndim - 2)
        space.check_input(self, x, self.data_format, len(scales) or None)
        channels_last = self.data_format == "N...C"
        sizes = x.shape[1:-1] if channels_last else x.shape[2:]
        found = [factor * size for factor, size in zip(scales, sizes, strict=True)]
        new = tuple(map(round, found))
        if any(abs(a - b) > 1e-9 * b for a, b in zip(new, found, strict=True)):
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}; {self.scale} times its spatial axes is "
                f"{tuple(found)}.",
                "use pax.functional.resize(x, size) with the size that it should have.",
            )
        return F.resize(
            x,
            new,
            self.method,
            align_corners=self.align_corners,
            antialias=self.antialias,
            data_format=self.data_format,
        )

    def __repr__(self) -> str:
        return self._repr(
            {"scale": self.scale, "method": self.method, "data_format": self.data_format}
        )
