"""Convolution layers, one for each number of spatial axes, then one for any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import ArrayLike

from pax._core import arguments
from pax.nn.convolution_base import Convolution, Padding


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
        padding: "SAME" (output size is input size over stride, rounded up), "VALID" (none),
            "CAUSAL" (all of it before: y[t] sees nothing after x[t * stride]), or one pair
            (before, after) in a sequence.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, cut
            at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "NWC" (batch, width, channels) or "NCW".
        feature_group_count: number of groups; each sees its own part of the channels.
        mask: multiplies W before each use, shape of W with 1 for axes along which it is the same;
            kept as state that is not trained. None multiplies nothing.
        padding_mode: what stands in the padding: "zeros", "reflect" (mirrored, the edge not
            repeated), "replicate" (the edge repeated) or "circular" (the other end).
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
        mask: ArrayLike | None = None,
        padding_mode: str = "zeros",
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            1,
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
            mask=mask,
            padding_mode=padding_mode,
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
        mask: multiplies W before each use, shape of W with 1 for axes along which it is the same;
            kept as state that is not trained. None multiplies nothing.
        padding_mode: what stands in the padding: "zeros", "reflect" (mirrored, the edge not
            repeated), "replicate" (the edge repeated) or "circular" (the other end).
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
        mask: ArrayLike | None = None,
        padding_mode: str = "zeros",
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            2,
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
            mask=mask,
            padding_mode=padding_mode,
            rng_key=rng_key,
            name=name,
        )


class Conv3D(Convolution):
    """A convolution over three axes.

    y[n, o] = sum over offsets k and channels i of x[n * stride + k * rate, i] W[k, i, o], plus
    b[o], with three indices for each of n and k; W has shape
    [depth, height, width, in_features / groups, out_features], b [out_features].

    Args:
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, an integer or a sequence of three.
        stride: step of the kernel, likewise.
        rate: dilation of the kernel, likewise.
        padding: "SAME" (output size is input size over stride, rounded up), "VALID" (none), or
            three pairs (before, after).
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, cut
            at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "NDHWC" (batch, depth, height, width, channels) or "NCDHW".
        feature_group_count: number of groups; each sees its own part of the channels.
        mask: multiplies W before each use, shape of W with 1 for axes along which it is the same;
            kept as state that is not trained. None multiplies nothing.
        padding_mode: what stands in the padding: "zeros", "reflect" (mirrored, the edge not
            repeated), "replicate" (the edge repeated) or "circular" (the other end).
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.Conv3D(3, 8, 3, stride=2)(jnp.ones((2, 16, 16, 16, 3))).shape
        (2, 8, 8, 8, 8)
    """

    _formats = ("NDHWC", "NCDHW")

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
        data_format: str = "NDHWC",
        feature_group_count: int = 1,
        *,
        mask: ArrayLike | None = None,
        padding_mode: str = "zeros",
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        super().__init__(
            3,
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
            mask=mask,
            padding_mode=padding_mode,
            rng_key=rng_key,
            name=name,
        )


class ConvND(Convolution):
    """A convolution over any number of axes.

    y[n, o] = sum over offsets k and channels i of x[n * stride + k * rate, i] W[k, i, o], plus
    b[o], with an index for each spatial axis in n and k; W has shape
    [*kernel, in_features / groups, out_features], b [out_features].

    Args:
        num_spatial_dims: number of spatial axes, at least 1.
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, an integer or one for each spatial axis.
        stride: step of the kernel, likewise.
        rate: dilation of the kernel, likewise.
        padding: "SAME" (output size is input size over stride, rounded up), "VALID" (none),
            with one spatial axis "CAUSAL" (all of it before), or a pair (before, after) for each.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default normal of variance 1 / fan_in, cut
            at two standard deviations.
        b_init: draws b; zeros by default.
        data_format: "N...C" (batch, spatial axes, channels) or "NC...".
        feature_group_count: number of groups; each sees its own part of the channels.
        mask: multiplies W before each use, shape of W with 1 for axes along which it is the same;
            kept as state that is not trained. None multiplies nothing.
        padding_mode: what stands in the padding: "zeros", "reflect" (mirrored, the edge not
            repeated), "replicate" (the edge repeated) or "circular" (the other end).
        name: name of the module.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.ConvND(4, 3, 8, 3, stride=2)(jnp.ones((2, 6, 6, 6, 6, 3))).shape
        (2, 3, 3, 3, 3, 8)
    """

    _formats = ("N...C", "NC...")

    def __init__(
        self,
        num_spatial_dims: int,
        in_features: int,
        out_features: int,
        kernel_shape: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        rate: int | Sequence[int] = 1,
        padding: Padding = "SAME",
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        data_format: str = "N...C",
        feature_group_count: int = 1,
        *,
        mask: ArrayLike | None = None,
        padding_mode: str = "zeros",
        name: str | None = None,
        rng_key: Any = None,
    ) -> None:
        arguments.sizes("ConvND", num_spatial_dims=num_spatial_dims)
        super().__init__(
            num_spatial_dims,
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
            mask=mask,
            padding_mode=padding_mode,
            rng_key=rng_key,
            name=name,
        )

    def _shown(self) -> dict[str, Any]:
        return {"num_spatial_dims": len(self.kernel_shape)} | super()._shown()
