"""What the transposed convolution layers of every rank have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array

import pax.functional as F
from pax._core import ArgumentError, arguments
from pax.nn.convolution_base import Convolution, Padding


class ConvolutionTranspose(Convolution):
    """What the transposed convolution layers have in common; use `Conv1DTranspose` and such.

    Args:
        num_spatial_dims: number of spatial axes.
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, one integer or one for each spatial axis.
        stride: factor of the output size, likewise.
        padding: "SAME", "VALID", or pairs (before, after), one for each spatial axis.
        with_bias: whether a bias is added; without it, `bias` is None.
        w_init: draws the kernel; see the layers.
        b_init: draws the bias; zeros by default.
        data_format: order of the input's axes.
        output_padding: how much longer the output is at its end.
        rate: dilation of the kernel.
        feature_group_count: number of groups that are convolved apart.
        rng_key: random key of the initial values.
        name: name of the module.
    """

    _may_be_causal = False

    def __init__(
        self,
        num_spatial_dims: int,
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
        output_padding: int | Sequence[int],
        rate: int | Sequence[int],
        feature_group_count: int,
        rng_key: Any,
        name: str | None,
    ) -> None:
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
            rng_key=rng_key,
            name=name,
        )
        self.output_padding = _checked_output_padding(self, output_padding)

    def _weight_shape(self) -> tuple[int, ...]:
        return (*self.kernel_shape, self.out_features, self.in_features // self.feature_group_count)

    def _convolve(self, x: Array) -> Array:
        return F.conv_transpose(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            rate=self.rate,
            padding=self.padding,
            output_padding=self.output_padding,
            data_format=self.data_format,
            feature_group_count=self.feature_group_count,
        )

    def _shown(self) -> dict[str, Any]:
        extra = self.output_padding
        return super()._shown() | {"output_padding": extra if any(extra) else None}


def _checked_output_padding(layer: ConvolutionTranspose, value: Any) -> tuple[int, ...]:
    """Returns the output padding of each axis; raises if another input size would give it."""
    kind, n = type(layer).__name__, len(layer.kernel_shape)
    extra = (value,) * n if arguments.is_int(value) else value
    if (
        not isinstance(extra, Sequence)
        or len(extra) != n
        or not all(arguments.is_int(x) and x >= 0 for x in extra)
    ):
        raise ArgumentError(
            f"{kind} got output_padding={value!r}; expected an integer of at least 0 or {n} of "
            "them.",
            f"write output_padding=1 or output_padding={(1,) * n}.",
        )
    if any(e >= max(s, r) for e, s, r in zip(extra, layer.stride, layer.rate, strict=True)):
        raise ArgumentError(
            f"{kind} got output_padding={value!r} with stride={layer.stride} and "
            f"rate={layer.rate}; expected less than the larger of both.",
            "use a larger input, or pairs of padding.",
        )
    return tuple(int(e) for e in extra)
