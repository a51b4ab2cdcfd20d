"""Convolution and transposed convolution."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from jaxtyping import Array, Float


def conv(
    x: Float[Array, "..."],
    weight: Float[Array, "..."],
    bias: Float[Array, "O"] | None = None,
    *,
    stride: Sequence[int],
    rate: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    data_format: str,
    feature_group_count: int = 1,
) -> Float[Array, "..."]:
    """Convolves x with a kernel.

    Args:
        x: input in the data format.
        weight: kernel, spatial axes first, then in / groups, then out.
        bias: shape [out], or None.
        stride: step of the kernel on each spatial axis.
        rate: dilation of the kernel on each spatial axis.
        padding: "SAME", "VALID", or pairs (before, after).
        data_format: such as "NHWC" or "NCHW".
        feature_group_count: number of groups.
    Returns:
        Output in the same data format.
    """
    y = jax.lax.conv_general_dilated(
        x,
        weight,
        tuple(stride),
        padding,
        rhs_dilation=tuple(rate),
        dimension_numbers=_dimensions(data_format, "IO"),
        feature_group_count=feature_group_count,
    )
    return _add_bias(y, bias, data_format)


def conv_transpose(
    x: Float[Array, "..."],
    weight: Float[Array, "..."],
    bias: Float[Array, "O"] | None = None,
    *,
    stride: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    data_format: str,
) -> Float[Array, "..."]:
    """Convolves x with a kernel, after spreading x out by the stride.

    Args:
        x: input in the data format.
        weight: kernel, spatial axes first, then out, then in; not flipped.
        bias: shape [out], or None.
        stride: factor of the output size on each spatial axis.
        padding: "SAME", "VALID", or pairs (before, after).
        data_format: such as "NHWC" or "NCHW".
    Returns:
        Output in the same data format.
    """
    y = jax.lax.conv_transpose(
        x, weight, tuple(stride), padding, dimension_numbers=_dimensions(data_format, "OI")
    )
    return _add_bias(y, bias, data_format)


def _dimensions(data_format: str, kernel_end: str) -> tuple[str, str, str]:
    spatial = data_format.replace("N", "").replace("C", "")
    return data_format, spatial + kernel_end, data_format


def _add_bias(y: Array, bias: Array | None, data_format: str) -> Array:
    if bias is None:
        return y
    return y + bias.reshape([-1 if axis == "C" else 1 for axis in data_format])
