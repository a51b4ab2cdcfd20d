"""Transposed convolution layers, one for each number of spatial axes, then one for any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pax._core import arguments
from pax.nn.convolution_base import Padding
from pax.nn.convolution_transpose_base import ConvolutionTranspose


class Conv1DTranspose(ConvolutionTranspose):
    """A transposed convolution over one axis: it grows the axis by the stride.

    Each input step adds its channels, times W, to the output around stride times its place; W has
    shape [kernel, out_features, in_features / groups] and is not flipped, b
    [out_features].

    Args:
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, an integer or a sequence of one.
        stride: factor of the output size.
        padding: "SAME" (output size is input size times stride), "VALID" (all of the output), or
            one pair (before, after) that pads the spread-out input; padding=p in PyTorch is
            rate * (kernel - 1) - p on both sides.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, cut
            at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "NWC" (batch, width, channels) or "NCW".
        output_padding: how much longer the output is at its end, less than stride or rate.
        rate: dilation of the kernel.
        feature_group_count: number of groups; each sees its own part of the channels.
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.Conv1DTranspose(3, 8, 4, stride=2)(jnp.ones((2, 16, 3))).shape
        (2, 32, 8)
    """

    _formats = ("NWC", "NCW")

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: Padding = "SAME",
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        data_format: str = "NWC",
        *,
        output_padding: int | Sequence[int] = 0,
        rate: int | Sequence[int] = 1,
        feature_group_count: int = 1,
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            1,
            in_features,
            out_features,
            kernel_shape,
            stride,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            output_padding=output_padding,
            rate=rate,
            feature_group_count=feature_group_count,
            rng_key=rng_key,
            name=name,
        )


class Conv2DTranspose(ConvolutionTranspose):
    """A transposed convolution over two axes: it grows them by the stride.

    Each input place adds its channels, times W, to the output around stride times its place; W has
    shape [height, width, out_features, in_features / groups] and is not flipped, b
    [out_features].

    Args:
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, an integer or a sequence of two.
        stride: factor of the output size, likewise.
        padding: "SAME" (output size is input size times stride), "VALID" (all of the output), or
            two pairs (before, after) that pad the spread-out input; padding=p in PyTorch is
            rate * (kernel - 1) - p on both sides.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, cut
            at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "NHWC" (batch, height, width, channels) or "NCHW".
        output_padding: how much longer the output is at its end, less than stride or rate.
        rate: dilation of the kernel.
        feature_group_count: number of groups; each sees its own part of the channels.
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.Conv2DTranspose(3, 8, 4, stride=2)(jnp.ones((2, 16, 16, 3))).shape
        (2, 32, 32, 8)
    """

    _formats = ("NHWC", "NCHW")

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: Padding = "SAME",
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        data_format: str = "NHWC",
        *,
        output_padding: int | Sequence[int] = 0,
        rate: int | Sequence[int] = 1,
        feature_group_count: int = 1,
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            2,
            in_features,
            out_features,
            kernel_shape,
            stride,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            output_padding=output_padding,
            rate=rate,
            feature_group_count=feature_group_count,
            rng_key=rng_key,
            name=name,
        )


class Conv3DTranspose(ConvolutionTranspose):
    """A transposed convolution over three axes: it grows them by the stride.

    Each input place adds its channels, times W, to the output around stride times its place; W has
    shape [depth, height, width, out_features, in_features / groups] and is not flipped, b
    [out_features].

    Args:
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, an integer or a sequence of three.
        stride: factor of the output size, likewise.
        padding: "SAME" (output size is input size times stride), "VALID" (all of the output), or
            three pairs (before, after) that pad the spread-out input; padding=p in PyTorch is
            rate * (kernel - 1) - p on both sides.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, cut
            at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "NDHWC" (batch, depth, height, width, channels) or "NCDHW".
        output_padding: how much longer the output is at its end, less than stride or rate.
        rate: dilation of the kernel.
        feature_group_count: number of groups; each sees its own part of the channels.
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.Conv3DTranspose(3, 8, 4, stride=2)(jnp.ones((2, 4, 4, 4, 3))).shape
        (2, 8, 8, 8, 8)
    """

    _formats = ("NDHWC", "NCDHW")

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: Padding = "SAME",
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        data_format: str = "NDHWC",
        *,
        output_padding: int | Sequence[int] = 0,
        rate: int | Sequence[int] = 1,
        feature_group_count: int = 1,
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            3,
            in_features,
            out_features,
            kernel_shape,
            stride,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            output_padding=output_padding,
            rate=rate,
            feature_group_count=feature_group_count,
            rng_key=rng_key,
            name=name,
        )


class ConvNDTranspose(ConvolutionTranspose):
    """A transposed convolution over any number of axes: it grows them by the stride.

    Each input place adds its channels, times W, to the output around stride times its place; W has
    shape [*kernel, out_features, in_features / groups] and is not flipped, b
    [out_features].

    Args:
        num_spatial_dims: number of spatial axes, at least 1.
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, an integer or one for each spatial axis.
        stride: factor of the output size, likewise.
        padding: "SAME" (output size is input size times stride), "VALID" (all of the output), or
            a pair (before, after) for each axis that pads the spread-out input; padding=p in
            PyTorch is rate * (kernel - 1) - p on both sides.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, cut
            at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "N...C" (batch, spatial axes, channels) or "NC...".
        output_padding: how much longer the output is at its end, less than stride or rate.
        rate: dilation of the kernel.
        feature_group_count: number of groups; each sees its own part of the channels.
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.ConvNDTranspose(4, 3, 8, 2, stride=2)(jnp.ones((2, 2, 2, 2, 2, 3))).shape
        (2, 4, 4, 4, 4, 8)
    """

    _formats = ("N...C", "NC...")

    def __init__(
        self,
        num_spatial_dims: int,
        in_features: int,
        out_features: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: Padding = "SAME",
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        data_format: str = "N...C",
        *,
        output_padding: int | Sequence[int] = 0,
        rate: int | Sequence[int] = 1,
        feature_group_count: int = 1,
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        arguments.sizes("ConvNDTranspose", num_spatial_dims=num_spatial_dims)
        super().__init__(
            num_spatial_dims,
            in_features,
            out_features,
            kernel_shape,
            stride,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            output_padding=output_padding,
            rate=rate,
            feature_group_count=feature_group_count,
            rng_key=rng_key,
            name=name,
        )

    def _shown(self) -> dict[str, Any]:
        return {"num_spatial_dims": len(self.kernel_shape)} | super()._shown()
