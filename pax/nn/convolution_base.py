"""What the convolution layers of every rank and kind have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Shaped

import pax.functional as F
import pax.initializers as initializers
from pax._core import ArgumentError, EmptyNode, ParameterModule, arguments, with_letters
from pax.nn import given, keys

#: "SAME", "VALID", or the padding (before, after) of each spatial axis; "CAUSAL" with one axis.
Padding = str | Sequence[Sequence[int]]


class Convolution(ParameterModule):
    """What the convolution layers have in common; use `Conv1D`, `Conv2D` and such.

    Args:
        num_spatial_dims: number of spatial axes.
        in_features: number of input channels.
        out_features: number of output channels.
        kernel_shape: kernel size, one integer or one for each spatial axis.
        stride: step of the kernel, likewise.
        rate: dilation of the kernel, likewise.
        padding: "SAME", "VALID", with one axis "CAUSAL", or pairs (before, after), one for each
            spatial axis.
        with_bias: whether a bias is added; without it, `bias` is None.
        w_init: draws the kernel; see the layers.
        b_init: draws the bias; zeros by default.
        data_format: order of the input's axes.
        feature_group_count: number of groups that are convolved apart.
        mask: multiplies the kernel; None multiplies nothing.
        padding_mode: what stands in the padding.
        rng_key: random key of the initial values.
        name: name of the module.
    """

    weight: Float[Array, "*kernel in_features out_features"]
    bias: Float[Array, "out_features"] | None
    #: What the weight is multiplied with before use; it is no parameter.
    mask: Shaped[Array, "..."] | None
    precision_role = "half"
    #: Order of the axes: the default, then the alternative.
    _formats: ClassVar[tuple[str, str]]
    _may_be_causal: ClassVar[bool] = True

    def __init__(
        self,
        num_spatial_dims: int,
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
        mask: Any = None,
        padding_mode: str = "zeros",
        rng_key: Any,
        name: str | None,
    ) -> None:
        super().__init__(name=name)
        layer, n = type(self).__name__, num_spatial_dims
        _check_features(layer, in_features, out_features, feature_group_count)
        arguments.one_of(layer, "data_format", data_format, self._formats)
        arguments.flags(layer, with_bias=with_bias)
        arguments.initializer(layer, "w_init", w_init)
        arguments.initializer(layer, "b_init", b_init)
        self.in_features = in_features
        self.out_features = out_features
        self.kernel_shape = arguments.size_tuple(layer, "kernel_shape", kernel_shape, n)
        self.stride = arguments.size_tuple(layer, "stride", stride, n)
        self.rate = arguments.size_tuple(layer, "rate", rate, n)
        self.padding = checked_padding(layer, padding, n, self._may_be_causal)
        self.padding_mode = arguments.padding_mode(layer, padding_mode, self.padding)
        self.with_bias = with_bias
        self.data_format = data_format
        self.feature_group_count = feature_group_count
        w_key, b_key = keys.for_weight_and_bias(rng_key, b_init)
        w_init, b_init = w_init or self._default_w_init(), b_init or initializers.zeros
        shape = self._weight_shape()
        self.weight = arguments.drawn(layer, "w_init", w_init, w_key, shape)
        self.bias = (
            arguments.drawn(layer, "b_init", b_init, b_key, (out_features,)) if with_bias else None
        )
        self.mask = None if mask is None else _own_mask(layer, mask, shape)

    def _weight_shape(self) -> tuple[int, ...]:
        return (*self.kernel_shape, self.in_features // self.feature_group_count, self.out_features)

    def _default_w_init(self) -> arguments.Initializer:
        """The normal distribution of variance 1 / fan_in, cut at two standard deviations."""
        fan_in = math.prod(self.kernel_shape) * self.in_features // self.feature_group_count
        return initializers.truncated_normal(stddev=fan_in**-0.5)

    def parameters(self) -> Self:
        """Returns the module with its weight and bias only."""
        chosen = super().parameters()
        return chosen if self.mask is None else chosen.replace(mask=EmptyNode())

    def __call__(self, x: Float[ArrayLike, "B *N_and_C"]) -> Float[Array, "B *M_and_O"]:
        """Convolves the input.

        Args:
            x: input in the layer's data format, floating.
        Returns:
            Output in the same data format, with out_features channels.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank or number of channels, or does not fit the padding.
        """
        x = given.floating(self, x)
        axes = with_letters(self.data_format, len(self.kernel_shape))
        given.channels(self, x, axes, self.in_features, "in_features")
        return self._convolve(x)

    def _convolve(self, x: Array) -> Array:
        weight = self.weight
        if self.mask is not None:
            weight = weight * self.mask.astype(weight.dtype)
        return F.conv(
            x,
            weight,
            self.bias,
            stride=self.stride,
            rate=self.rate,
            padding=self.padding,
            padding_mode=self.padding_mode,
            data_format=self.data_format,
            feature_group_count=self.feature_group_count,
        )

    def __repr__(self) -> str:
        return self._repr(self._shown())

    def _shown(self) -> dict[str, Any]:
        """Returns what the printed form shows."""
        ones = (1,) * len(self.kernel_shape)
        groups, mode = self.feature_group_count, self.padding_mode
        return {
            "in_features": self.in_features,
            "out_features": self.out_features,
            "kernel_shape": self.kernel_shape,
            "stride": self.stride if self.stride != ones else None,
            "rate": self.rate if self.rate != ones else None,
            "padding": self.padding,
            "with_bias": self.with_bias,
            "data_format": self.data_format,
            "feature_group_count": groups if groups != 1 else None,
            "padding_mode": mode if mode != "zeros" else None,
            "masked": True if self.mask is not None else None,
        }


def _check_features(layer: str, in_features: Any, out_features: Any, groups: Any) -> None:
    """Raises unless these are sizes and the number of groups divides both."""
    arguments.sizes(
        layer, in_features=in_features, out_features=out_features, feature_group_count=groups
    )
    for argument, features in (("in_features", in_features), ("out_features", out_features)):
        if features % groups:
            raise ArgumentError(
                f"{layer} got {argument}={features} and feature_group_count={groups}, which does "
                "not divide it.",
                f"choose a number of groups that divides {argument}.",
            )


def checked_padding(
    layer: str, padding: Any, n: int, may_be_causal: bool = True
) -> str | tuple[tuple[int, int], ...]:
    """Returns the padding of a convolution over `n` axes as a name or pairs."""
    names = ("SAME", "VALID", "CAUSAL") if n == 1 and may_be_causal else ("SAME", "VALID")
    return arguments.padding(layer, padding, n, names)


def _own_mask(layer: str, mask: Any, shape: tuple[int, ...]) -> Array:
    """Returns a copy of a mask, so that several layers may be given one; raises if it is none."""
    if not isinstance(mask, (jax.Array, np.ndarray)):
        raise ArgumentError(
            f"{layer} got mask of type {type(mask).__name__}; expected an array.",
            "pass an array of zeros and ones, e.g. np.array(mask).",
        )
    if not any(jnp.issubdtype(mask.dtype, kind) for kind in (bool, jnp.integer, jnp.floating)):
        raise ArgumentError(
            f"{layer} got mask of dtype {mask.dtype}; expected real numbers or truth values.",
            "pass an array of zeros and ones, e.g. mask.astype(bool).",
        )
    if mask.ndim != len(shape) or any(
        m not in (1, n) for m, n in zip(mask.shape, shape, strict=True)
    ):
        raise ArgumentError(
            f"{layer} got mask of shape {mask.shape}; expected that of the weight, {shape}, or 1 "
            "for some of its axes.",
            "give the mask all axes of the weight: mask[..., None, None] for one of the kernel "
            "positions alone.",
        )
    return jnp.array(mask) if isinstance(mask, jax.Array) else jax.device_put(np.array(mask))
