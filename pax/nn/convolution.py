"""Convolution layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
import pax.initializers as initializers
from pax._core import ArgumentError, ParameterModule, arguments
from pax.nn import given, keys

#: "SAME", "VALID", or the padding (before, after) of each spatial axis.
Padding = str | Sequence[Sequence[int]]


class Convolution(ParameterModule):
    """What the convolution layers of every rank have in common; use `Conv1D`, `Conv2D`.

    Args:
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, one integer or one for each spatial axis.
        stride: step of the kernel, likewise.
        rate: dilation of the kernel, likewise.
        padding: "SAME", "VALID", or pairs (before, after), one for each spatial axis.
        with_bias: whether a bias is added; without it, `bias` is None.
        w_init: draws the kernel; see the layers.
        b_init: draws the bias; zeros by default.
        data_format: order of the input's axes.
        feature_group_count: number of groups that are convolved apart.
        rng_key: random key of the initial values.
        name: name of the module.
    """

    weight: Float[Array, "*kernel in_features out_features"]
    bias: Float[Array, "out_features"] | None
    precision_role = "half"
    #: Order of the axes: the default, then the alternative.
    _formats: ClassVar[tuple[str, str]]

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int],
        rate: int | Sequence[int],
        padding: Padding,
        with_bias: bool,
        w_init: arguments.Initializer | None,
        b_init: arguments.Initializer | None,
        data_format: str,
        feature_group_count: int,
        *,
        rng_key: Any,
        name: str | None,
    ) -> None:
        super().__init__(name=name)
        layer, n = type(self).__name__, len(self._formats[0]) - 2
        arguments.sizes(
            layer,
            in_features=in_features,
            out_features=out_features,
            feature_group_count=feature_group_count,
        )
        for argument, features in (("in_features", in_features), ("out_features", out_features)):
            if features % feature_group_count:
                raise ArgumentError(
                    f"{layer} got {argument}={features} and "
                    f"feature_group_count={feature_group_count}, which does not divide it.",
                    f"choose a number of groups that divides {argument}.",
                )
        arguments.one_of(layer, "data_format", data_format, self._formats)
        arguments.flags(layer, with_bias=with_bias)
        arguments.initializer(layer, "w_init", w_init)
        arguments.initializer(layer, "b_init", b_init)
        self.in_features = in_features
        self.out_features = out_features
        self.kernel_shape = arguments.size_tuple(layer, "kernel_shape", kernel_shape, n)
        self.stride = arguments.size_tuple(layer, "stride", stride, n)
        self.rate = arguments.size_tuple(layer, "rate", rate, n)
        self.padding = arguments.padding(layer, padding, n)
        self.with_bias = with_bias
        self.data_format = data_format
        self.feature_group_count = feature_group_count
        w_key, b_key = keys.for_weight_and_bias(rng_key, b_init)
        w_init, b_init = w_init or self._default_w_init(), b_init or initializers.zeros
        self.weight = arguments.drawn(layer, "w_init", w_init, w_key, self._weight_shape())
        self.bias = (
            arguments.drawn(layer, "b_init", b_init, b_key, (out_features,)) if with_bias else None
        )

    def _weight_shape(self) -> tuple[int, ...]:
        return (*self.kernel_shape, self.in_features // self.feature_group_count, self.out_features)

    def _default_w_init(self) -> arguments.Initializer:
        """The normal distribution of variance 1 / fan_in, cut at two standard deviations."""
        fan_in = math.prod(self.kernel_shape) * self.in_features // self.feature_group_count
        return initializers.truncated_normal(stddev=fan_in**-0.5)

    def __call__(self, x: Float[ArrayLike, "B *N_and_C"]) -> Float[Array, "B *M_and_O"]:
        """Convolves the input.

        Args:
            x: input in the layer's data format, floating.
        Returns:
            Output in the same data format, with out_features channels.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank or number of channels.
        """
        x = given.floating(self, x)
        given.channels(self, x, self.data_format, self.in_features, "in_features")
        return self._convolve(x)

    def _convolve(self, x: Array) -> Array:
        return F.conv(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            rate=self.rate,
            padding=self.padding,
            data_format=self.data_format,
            feature_group_count=self.feature_group_count,
        )

    def __repr__(self) -> str:
        ones = (1,) * len(self.kernel_shape)
        groups = self.feature_group_count
        return self._repr(
            {
                "in_features": self.in_features,
                "out_features": self.out_features,
                "kernel_shape": self.kernel_shape,
                "stride": self.stride if self.stride != ones else None,
                "rate": self.rate if self.rate != ones else None,
                "padding": self.padding,
                "with_bias": self.with_bias,
                "data_format": self.data_format,
                "feature_group_count": groups if groups != 1 else None,
            }
        )


class Conv1D(Convolution):
    """A convolution over one axis.

    y[t, o] = sum over k, i of x[t * stride + k * rate, i] W[k, i, o], plus b[o]; W has shape
    [kernel, in_features / groups, out_features], b [out_features].

    Args:
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, an integer or a sequence of one.
        stride: step of the kernel.
        rate: dilation of the kernel.
        padding: "SAME" (output size is input size over stride, rounded up), "VALID" (none), or
            one pair (before, after) in a sequence.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, cut
            at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "NWC" (batch, width, channels) or "NCW".
        feature_group_count: number of groups; each sees its own part of the channels.
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.Conv1D(3, 8, 5, stride=2)(jnp.ones((2, 16, 3))).shape
        (2, 8, 8)
    """

    _formats = ("NWC", "NCW")

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: Padding = "SAME",
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        data_format: str = "NWC",
        feature_group_count: int = 1,
        *,
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            in_features,
            out_features,
            kernel_shape,
            stride,
            rate,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            feature_group_count,
            rng_key=rng_key,
            name=name,
        )


class Conv2D(Convolution):
    """A convolution over two axes.

    y[h, w, o] = sum over j, k, i of x[h * stride + j * rate, w * stride + k * rate, i]
    W[j, k, i, o], plus b[o]; W has shape [height, width, in_features / groups, out_features],
    b [out_features].

    Args:
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, an integer or a sequence of two.
        stride: step of the kernel, likewise.
        rate: dilation of the kernel, likewise.
        padding: "SAME" (output size is input size over stride, rounded up), "VALID" (none), or
            two pairs (before, after).
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, cut
            at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "NHWC" (batch, height, width, channels) or "NCHW".
        feature_group_count: number of groups; each sees its own part of the channels.
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.Conv2D(3, 8, 3, stride=2)(jnp.ones((2, 16, 16, 3))).shape
        (2, 8, 8, 8)
    """

    _formats = ("NHWC", "NCHW")

    def __init__(
        self,
        in_features: int,
        out_features: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: Padding = "SAME",
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        data_format: str = "NHWC",
        feature_group_count: int = 1,
        *,
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            in_features,
            out_features,
            kernel_shape,
            stride,
            rate,
            padding,
            with_bias,
            w_init,
            b_init,
            data_format,
            feature_group_count,
            rng_key=rng_key,
            name=name,
        )
