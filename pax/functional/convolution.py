"""Convolution over any number of spatial axes."""

from __future__ import annotations

from collections.abc import Sequence

from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import arguments
from pax.functional.convolution_kernels import convolve
from pax.functional.layouts import add_bias, operands, spatial_axes
from pax.functional.padding import extended
from pax.functional.windows import Padding, check_fit, check_padding, pad_pairs, per_axis


def conv(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | Sequence[int] = 1,
    rate: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    padding_mode: str = "zeros",
    data_format: str,
    feature_group_count: int = 1,
) -> Float[Array, "..."]:
    """Convolves an input with a kernel.

    y[n, o] = sum over offsets k and channels i of x[n * stride + k * rate - p, i] W[k, i, o],
    plus b[o], with W the argument `weight`, b `bias`, p the padding before, and x outside its
    bounds as padding_mode says. With groups, output feature o sees the channels of its own group
    alone.

    Args:
        x: input, axes as in data_format, floating.
        weight: kernel, shape [*spatial, in_features / groups, out_features], not flipped.
        bias: shape [out_features]; None adds nothing.
        stride: distance between two windows, an integer or one for each spatial axis.
        rate: distance between two entries of a window, likewise.
        padding: "SAME" (ceil(size / stride) outputs), "VALID" (none), with one spatial axis
            "CAUSAL" (all of it before), or a pair (before, after) for each.
        padding_mode: what is padded: "zeros", "reflect" (mirrored, the edge not repeated),
            "replicate" (the edge repeated) or "circular" (the other end).
        data_format: "NWC", "NCW", "NHWC", "NCHW", "NDHWC", "NCDHW", or for any number of spatial
            axes "N...C", "NC...".
        feature_group_count: number of groups.
    Returns:
        Axes as in data_format, in the dtype `jnp` promotes the arguments to.
    Raises:
        ArgumentError: if an option is not one of these, or two do not go together.
        ShapeError: if the shapes do not fit together, or the kernel or the padding the input.
        DtypeError: if x or weight is not floating.
    Example:
        >>> x, weight = jnp.arange(5.0).reshape(1, 5, 1), jnp.ones((3, 1, 1))
        >>> pax.functional.conv(x, weight, padding="VALID", data_format="NWC").ravel()
        Array([3., 6., 9.], dtype=float32)
    """
    x, weight, bias, data_format = operands(
        "conv", x, weight, bias, data_format, "IO", feature_group_count
    )
    axes = spatial_axes(data_format)
    sizes, count = [x.shape[axis] for axis in axes], len(axes)
    stride = per_axis("conv", "stride", stride, count)
    rate = per_axis("conv", "rate", rate, count)
    padding = check_padding("conv", padding, count, may_be_causal=True)
    arguments.padding_mode("conv", padding_mode, padding)
    windows = [(k - 1) * r + 1 for k, r in zip(weight.shape, rate, strict=False)]
    pairs = pad_pairs(padding, sizes, windows, stride)
    check_fit("conv", x.shape, sizes, windows, pairs)
    if padding_mode != "zeros":
        x, pairs = extended("conv", x, axes, pairs, padding_mode), ((0, 0),) * count
    y = convolve(x, weight, feature_group_count, stride, rate, pairs, data_format)
    return add_bias(y, bias, data_format)
