"""Depthwise convolution layers: each channel has kernels of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import ArrayLike

from pax._core import arguments
from pax.nn.convolution_base import Convolution, Padding


class DepthwiseConvolution(Convolution):
    """What the depthwise convolutions have in common; use `DepthwiseConv1D` and such.

    Args:
        num_spatial_dims: number of spatial axes.
        in_features: number of input channels.
        kernel_shape: kernel size, one integer or one for each spatial axis.
        channel_multiplier: number of outputs of each channel.
        stride: step of the kernel, likewise.
        rate: dilation of the kernel, likewise.
        padding: as of `Convolution`.
        with_bias: whether a bias is added; without it, `bias` is None.
        w_init: draws the kernel; see the layers.
        b_init: draws the bias; zeros by default.
        data_format: order of the input's axes.
        mask: multiplies the kernel; None multiplies nothing.
        padding_mode: what stands in the padding.
        rng_key: random key of the initial values.
        name: name of the module.
    """

    def __init__(
        self,
        num_spatial_dims: int,
        in_features: int,
        kernel_shape: int | Sequence[int],
        channel_multiplier: int,
        stride: int | Sequence[int],
        rate: int | Sequence[int],
        padding: Padding,
        with_bias: bool,
        w_init: arguments.Initializer | None,
        b_init: arguments.Initializer | None,
        data_format: str,
        *,
        mask: Any,
        padding_mode: str,
        rng_key: Any,
        name: str | None,
    ) -> None:
        arguments.sizes(
            type(self).__name__, in_features=in_features, channel_multiplier=channel_multiplier
        )
        super().__init__(
            num_spatial_dims,
            in_features,
            in_features * channel_multiplier,
            kernel_shape,
            stride,
            rate,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            in_features,
            mask=mask,
            padding_mode=padding_mode,
            rng_key=rng_key,
            name=name,
        )
        self.channel_multiplier = channel_multiplier

    def _shown(self) -> dict[str, Any]:
        shown = super()._shown() | {"feature_group_count": None}
        del shown["out_features"]
        multiplier = self.channel_multiplier
        return shown | {"channel_multiplier": multiplier if multiplier != 1 else None}


class DepthwiseConv1D(DepthwiseConvolution):
    """A convolution over one axis of each channel by itself.

    y[n, c * m + j] = sum over offsets k of x[n * stride + k * rate, c] W[k, 0, c * m + j], plus
    b[c * m + j], with m the channel_multiplier; W has shape [*kernel, 1, in_features * m], b
    [in_features * m].

    Args:
        in_features: number of input channels.
        kernel_shape: kernel size, an integer or a sequence of one.
        channel_multiplier: number of outputs of each channel.
        stride: step of the kernel, likewise.
        rate: dilation of the kernel, likewise.
        padding: "SAME" (output size is input size over stride, rounded up), "VALID" (none),
            "CAUSAL" (all of it before), or one pair (before, after) in a sequence.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, with
            fan_in the kernel's size, cut at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "NWC" (batch, width, channels) or "NCW".
        mask: multiplies W before each use; kept as state that is not trained; see `Conv1D`.
        padding_mode: what stands in the padding: "zeros", "reflect", "replicate" or "circular".
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.DepthwiseConv1D(3, 5, 2, stride=2)(jnp.ones((2, 16, 3))).shape
        (2, 8, 6)
    """

    _formats = ("NWC", "NCW")

    def __init__(
        self,
        in_features: int,
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
        mask: ArrayLike | None = None,
        padding_mode: str = "zeros",
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            1,
            in_features,
            kernel_shape,
            channel_multiplier,
            stride,
            rate,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            mask=mask,
            padding_mode=padding_mode,
            rng_key=rng_key,
            name=name,
        )


class DepthwiseConv2D(DepthwiseConvolution):
    """A convolution over two axes of each channel by itself.

    y[n, c * m + j] = sum over offsets k of x[n * stride + k * rate, c] W[k, 0, c * m + j], plus
    b[c * m + j], with m the channel_multiplier; W has shape [*kernel, 1, in_features * m], b
    [in_features * m].

    Args:
        in_features: number of input channels.
        kernel_shape: kernel size, an integer or a sequence of two.
        channel_multiplier: number of outputs of each channel.
        stride: step of the kernel, likewise.
        rate: dilation of the kernel, likewise.
        padding: "SAME" (output size is input size over stride, rounded up), "VALID" (none), or
            two pairs (before, after).
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, with
            fan_in the kernel's size, cut at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "NHWC" (batch, height, width, channels) or "NCHW".
        mask: multiplies W before each use; kept as state that is not trained; see `Conv2D`.
        padding_mode: what stands in the padding: "zeros", "reflect", "replicate" or "circular".
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.DepthwiseConv2D(3, 5, 2, stride=2)(jnp.ones((2, 16, 16, 3))).shape
        (2, 8, 8, 6)
    """

    _formats = ("NHWC", "NCHW")

    def __init__(
        self,
        in_features: int,
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
        mask: ArrayLike | None = None,
        padding_mode: str = "zeros",
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            2,
            in_features,
            kernel_shape,
            channel_multiplier,
            stride,
            rate,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            mask=mask,
            padding_mode=padding_mode,
            rng_key=rng_key,
            name=name,
        )


class DepthwiseConv3D(DepthwiseConvolution):
    """A convolution over three axes of each channel by itself.

    y[n, c * m + j] = sum over offsets k of x[n * stride + k * rate, c] W[k, 0, c * m + j], plus
    b[c * m + j], with m the channel_multiplier; W has shape [*kernel, 1, in_features * m], b
    [in_features * m].

    Args:
        in_features: number of input channels.
        kernel_shape: kernel size, an integer or a sequence of three.
        channel_multiplier: number of outputs of each channel.
        stride: step of the kernel, likewise.
        rate: dilation of the kernel, likewise.
        padding: "SAME" (output size is input size over stride, rounded up), "VALID" (none), or
            three pairs (before, after).
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, with
            fan_in the kernel's size, cut at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "NDHWC" (batch, depth, height, width, channels) or "NCDHW".
        mask: multiplies W before each use; kept as state that is not trained; see `Conv3D`.
        padding_mode: what stands in the padding: "zeros", "reflect", "replicate" or "circular".
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.DepthwiseConv3D(3, 5, 2, stride=2)(jnp.ones((2, 4, 4, 4, 3))).shape
        (2, 2, 2, 2, 6)
    """

    _formats = ("NDHWC", "NCDHW")

    def __init__(
        self,
        in_features: int,
        kernel_shape: int | Sequence[int],
        channel_multiplier: int = 1,
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: Padding = "SAME",
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        data_format: str = "NDHWC",
        *,
        mask: ArrayLike | None = None,
        padding_mode: str = "zeros",
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            3,
            in_features,
            kernel_shape,
            channel_multiplier,
            stride,
            rate,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            mask=mask,
            padding_mode=padding_mode,
            rng_key=rng_key,
            name=name,
        )
