"""Transposed convolution layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array

import pax.functional as F
from pax._core import arguments
from pax.nn.convolution_base import Convolution, Padding


class ConvolutionTranspose(Convolution):
    """What the transposed convolution layers have in common; use `Conv1DTranspose` and such.

    Args:
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, one integer or one for each spatial axis.
        stride: factor of the output size, likewise.
        padding: "SAME", "VALID", or pairs (before, after), one for each spatial axis.
        with_bias: whether a bias is added; without it, `bias` is None.
        w_init: draws the kernel; see the layers.
        b_init: draws the bias; zeros by default.
        data_format: order of the input's axes.
        rng_key: random key of the initial values.
        name: name of the module.
    """

    _may_be_causal = False

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int],
        padding: Padding,
        with_bias: bool,
        w_init: arguments.Initializer | None,
        b_init: arguments.Initializer | None,
        data_format: str,
        *,
        rng_key: Any,
        name: str | None,
    ) -> None:
        super().__init__(
            len(self._formats[0]) - 2,
            in_features,
            out_features,
            kernel_shape,
            stride,
            1,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            1,
            rng_key=rng_key,
            name=name,
        )

    def _weight_shape(self) -> tuple[int, ...]:
        return (*self.kernel_shape, self.out_features, self.in_features)

    def _convolve(self, x: Array) -> Array:
        return F.conv_transpose(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            data_format=self.data_format,
        )


class Conv1DTranspose(ConvolutionTranspose):
    """A transposed convolution over one axis: it grows the axis by the stride.

    Each input step adds its channels, times W, to the output around stride times its place; W has
    shape [kernel, out_features, in_features] and is not flipped, b [out_features].

    Args:
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, an integer or a sequence of one.
        stride: factor of the output size.
        padding: "SAME" (output size is input size times stride), "VALID" (all of the output), or
            one pair (before, after) that pads the spread-out input.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, cut
            at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "NWC" (batch, width, channels) or "NCW".
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
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            in_features,
            out_features,
            kernel_shape,
            stride,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            rng_key=rng_key,
            name=name,
        )


class Conv2DTranspose(ConvolutionTranspose):
    """A transposed convolution over two axes: it grows them by the stride.

    Each input place adds its channels, times W, to the output around stride times its place; W has
    shape [height, width, out_features, in_features] and is not flipped, b [out_features].

    Args:
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, an integer or a sequence of two.
        stride: factor of the output size, likewise.
        padding: "SAME" (output size is input size times stride), "VALID" (all of the output), or
            two pairs (before, after) that pad the spread-out input.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, cut
            at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "NHWC" (batch, height, width, channels) or "NCHW".
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
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            in_features,
            out_features,
            kernel_shape,
            stride,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            rng_key=rng_key,
            name=name,
        )
