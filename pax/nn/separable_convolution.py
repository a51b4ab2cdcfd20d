"""Separable convolution layers: over space in each channel, then over channels at each place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array, ArrayLike, Float

from pax._core import Module, arguments, keys_for_parts
from pax.nn.convolution import Conv1D, Conv2D
from pax.nn.convolution_base import Convolution, Padding, checked_padding
from pax.nn.depthwise_convolution import DepthwiseConv1D, DepthwiseConv2D, DepthwiseConvolution


class SeparableConvolution(Module):
    """What the separable convolutions have in common; use `SeparableConv1D`, `SeparableConv2D`."""

    depthwise: DepthwiseConvolution
    pointwise: Convolution

    def _check(
        self,
        n: int,
        in_features: Any,
        out_features: Any,
        channel_multiplier: Any,
        padding: Any,
        with_bias: Any,
        **per_axis: Any,
    ) -> None:
        """Raises, in the name of this layer, for what a convolution inside would refuse."""
        layer = type(self).__name__
        arguments.sizes(
            layer,
            in_features=in_features,
            out_features=out_features,
            channel_multiplier=channel_multiplier,
        )
        for argument, value in per_axis.items():
            arguments.size_tuple(layer, argument, value, n)
        checked_padding(layer, padding, n)
        arguments.flags(layer, with_bias=with_bias)

    def __call__(self, x: Float[ArrayLike, "B *N_and_C"]) -> Float[Array, "B *M_and_O"]:
        """Convolves the input, first along its spatial axes.

        Args:
            x: input in the layer's data format, floating.
        Returns:
            Output in the same data format, with out_features channels.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank or number of channels, or does not fit the padding.
        """
        return self.pointwise(self.depthwise(x))


class SeparableConv1D(SeparableConvolution):
    """A convolution over one axis of each channel by itself, then of all channels at each place.

    The attribute `depthwise` is a `DepthwiseConv1D` without bias, `pointwise` a `Conv1D` with a
    kernel of one place. Together they have far fewer weights than a `Conv1D` of that size.

    Args:
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: size of the depthwise kernel, an integer or a sequence of one.
        channel_multiplier: number of outputs of each channel between the two.
        stride: step of the kernel, likewise.
        rate: dilation of the kernel, likewise.
        padding: "SAME" (output size is input size over stride, rounded up), "VALID" (none),
            "CAUSAL" (all of it before), or one pair (before, after) in a sequence.
        with_bias: whether a bias is added at the end.
        w_init: draws both kernels as `w_init(rng_key, shape)`; by default as `Conv1D` does.
        b_init: draws the bias; zeros by default.
        data_format: "NWC" (batch, width, channels) or "NCW".
        padding_mode: what stands in the padding: "zeros", "reflect", "replicate" or "circular".
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.SeparableConv1D(3, 8, 5, stride=2)(jnp.ones((2, 16, 3))).shape
        (2, 8, 8)
    Source: Chollet, "Xception: deep learning with depthwise separable convolutions", 2016
        (arXiv 1610.02357).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_shape: int | Sequence[int],
        channel_multiplier: int = 1,
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: Padding = "SAME",
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        data_format: str = "NWC",
        *,
        padding_mode: str = "zeros",
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(name=name)
        self._check(
            1,
            in_features,
            out_features,
            channel_multiplier,
            padding,
            with_bias,
            kernel_shape=kernel_shape,
            stride=stride,
            rate=rate,
        )
        first_key, second_key = keys_for_parts(rng_key, 2)
        self.depthwise = DepthwiseConv1D(
            in_features,
            kernel_shape,
            channel_multiplier,
            stride,
            rate,
            padding,
            False,
            w_init,
            data_format=data_format,
            padding_mode=padding_mode,
            rng_key=first_key,
        )
        self.pointwise = Conv1D(
            in_features * channel_multiplier,
            out_features,
            1,
            with_bias=with_bias,
            w_init=w_init,
            b_init=b_init,
            data_format=data_format,
            rng_key=second_key,
        )


class SeparableConv2D(SeparableConvolution):
    """A convolution over two axes of each channel by itself, then of all channels at each place.

    The attribute `depthwise` is a `DepthwiseConv2D` without bias, `pointwise` a `Conv2D` with a
    kernel of one place. Together they have far fewer weights than a `Conv2D` of that size.

    Args:
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: size of the depthwise kernel, an integer or a sequence of two.
        channel_multiplier: number of outputs of each channel between the two.
        stride: step of the kernel, likewise.
        rate: dilation of the kernel, likewise.
        padding: "SAME" (output size is input size over stride, rounded up), "VALID" (none), or
            two pairs (before, after).
        with_bias: whether a bias is added at the end.
        w_init: draws both kernels as `w_init(rng_key, shape)`; by default as `Conv2D` does.
        b_init: draws the bias; zeros by default.
        data_format: "NHWC" (batch, height, width, channels) or "NCHW".
        padding_mode: what stands in the padding: "zeros", "reflect", "replicate" or "circular".
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.SeparableConv2D(3, 8, 5, stride=2)(jnp.ones((2, 16, 16, 3))).shape
        (2, 8, 8, 8)
    Source: Chollet, "Xception: deep learning with depthwise separable convolutions", 2016
        (arXiv 1610.02357).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_shape: int | Sequence[int],
        channel_multiplier: int = 1,
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: Padding = "SAME",
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        data_format: str = "NHWC",
        *,
        padding_mode: str = "zeros",
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(name=name)
        self._check(
            2,
            in_features,
            out_features,
            channel_multiplier,
            padding,
            with_bias,
            kernel_shape=kernel_shape,
            stride=stride,
            rate=rate,
        )
        first_key, second_key = keys_for_parts(rng_key, 2)
        self.depthwise = DepthwiseConv2D(
            in_features,
            kernel_shape,
            channel_multiplier,
            stride,
            rate,
            padding,
            False,
            w_init,
            data_format=data_format,
            padding_mode=padding_mode,
            rng_key=first_key,
        )
        self.pointwise = Conv2D(
            in_features * channel_multiplier,
            out_features,
            1,
            with_bias=with_bias,
            w_init=w_init,
            b_init=b_init,
            data_format=data_format,
            rng_key=second_key,
        )
