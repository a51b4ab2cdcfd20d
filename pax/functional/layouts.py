"""Data formats: which axis of a convolution's input is batch, space or channel."""

from __future__ import annotations

from functools import partial

import jax
from jax import Array
from jax.typing import ArrayLike

from pax._core import ArgumentError, ShapeError, with_letters
from pax.functional.arrays import as_array, as_floating, promote

_FORMATS = ("NWC", "NCW", "NHWC", "NCHW", "NDHWC", "NCDHW", "N...C", "NC...")


def spatial_axes(data_format: str) -> tuple[int, ...]:
    """Returns the axes that are neither batch nor channel."""
    return tuple(axis for axis, letter in enumerate(data_format) if letter not in "NC")


def operands(
    function: str,
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    data_format: str,
    kernel_end: str,
    groups: int = 1,
) -> tuple[Array, Array, Array | None, str]:
    """Returns the arrays of a convolution in one dtype, checked, and the data format by letters.

    `kernel_end` says what the last two axes of weight are: "IO" or "OI".
    """
    if data_format not in _FORMATS:
        raise ArgumentError(
            f"{function} got data_format={data_format!r}; expected one of "
            f"{', '.join(map(repr, _FORMATS))}.",
            "name the order of the axes of x: batch N, space D, H, W or '...', channels C.",
        )
    x, weight = as_floating(function, "x", x), as_floating(function, "weight", weight)
    rank = max(weight.ndim, 3) if "..." in data_format else len(data_format)
    data_format = with_letters(data_format, rank - 2)
    channel = data_format.index("C")
    if x.ndim != rank or weight.ndim != rank:
        raise ShapeError(
            f"{function} got x of shape {x.shape} and weight of shape {weight.shape}; expected "
            f"{rank} axes each for data_format={data_format!r}.",
            f"give x the axes {', '.join(data_format)}, and weight the spatial axes, then "
            f"{', '.join(kernel_end)}.",
        )
    sizes = dict(zip(kernel_end, weight.shape[-2:], strict=True))
    if groups < 1 or sizes["O"] % groups:
        raise ArgumentError(
            f"{function} got feature_group_count={groups} for {sizes['O']} output features.",
            "choose a number of groups that divides the number of output features.",
        )
    if x.shape[channel] != sizes["I"] * groups:
        raise ShapeError(
            f"{function} got x of shape {x.shape}: {x.shape[channel]} channels in {data_format}; "
            f"expected {sizes['I'] * groups} for weight of shape {weight.shape}.",
            "check data_format, or build the weight for the channels of x.",
        )
    if bias is None:
        x, weight = promote(x, weight)
        return x, weight, None, data_format
    bias = as_array(function, "bias", bias)
    if bias.shape != (sizes["O"],):
        raise ShapeError(
            f"{function} got bias of shape {bias.shape}; expected ({sizes['O']},).",
            f"bias has one entry for each output feature of weight, whose shape is {weight.shape}.",
        )
    x, weight, bias = promote(x, weight, bias)
    return x, weight, bias, data_format


@partial(jax.jit, static_argnums=2, inline=True)  # one dispatch where called eagerly
def add_bias(y: Array, bias: Array | None, data_format: str) -> Array:
    """Returns y with the bias added along its channel axis."""
    if bias is None:
        return y
    return y + bias.reshape([-1 if letter == "C" else 1 for letter in data_format])


def channel_axis(function: str, x: Array, data_format: str, spatial: int = 0) -> int:
    """Returns the channel axis of x in a format of any rank, with at least so many axes of space.

    "N...C" has the channels last, "NC..." after the batch.
    """
    if data_format not in ("N...C", "NC..."):
        raise ArgumentError(
            f"{function} got data_format={data_format!r}; expected 'N...C' or 'NC...'.",
            "write data_format='N...C' where the channels are the last axis.",
        )
    if x.ndim < 2 + spatial:
        names = {0: "a batch and a channel axis", 1: "batch, space and channel axes"}[spatial]
        raise ShapeError(
            f"{function} got x of shape {x.shape}; expected {data_format} with {names}.",
            "add the batch axis with x[None].",
        )
    return x.ndim - 1 if data_format == "N...C" else 1
