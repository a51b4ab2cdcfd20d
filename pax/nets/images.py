"""What networks over images expect of the size of an image, and the errors when it is not so."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pax._core import Module, ShapeError


def check_size(network: Module, x: Any, data_format: str, size: tuple[int, int]) -> None:
    """Raises if images have another height or width; a wrong rank is left to the first layer."""
    found = _height_and_width(x, data_format)
    if found is not None and found != size:
        raise ShapeError(
            f"{network!r} got images of shape {np.shape(x)}: height and width {found} in "
            f"{data_format}; expected {size}.",
            "resize the images, or build the network with their image_size and data_format.",
        )


def check_divisible(network: Module, x: Any, data_format: str, by: int) -> None:
    """Raises if height or width cannot be halved often enough."""
    found = _height_and_width(x, data_format)
    if found is not None and any(n % by for n in found):
        raise ShapeError(
            f"{network!r} got images of shape {np.shape(x)}: height and width {found} in "
            f"{data_format}; expected multiples of {by}.",
            "pad or resize the images, or build the network with their data_format.",
        )


def to_channels_last(x: Array, data_format: str) -> Array:
    """Returns images with the channels last."""
    return x if data_format == "NHWC" else jnp.moveaxis(x, 1, -1)


def from_channels_last(x: Array, data_format: str) -> Array:
    """Returns images that have the channels last in a data format."""
    return x if data_format == "NHWC" else jnp.moveaxis(x, -1, 1)


def _height_and_width(x: Any, data_format: str) -> tuple[int, int] | None:
    shape = np.shape(x)
    if len(shape) != len(data_format):
        return None
    return shape[data_format.index("H")], shape[data_format.index("W")]
