"""Transposed convolution, which makes its spatial axes longer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ShapeError
from pax.functional.layouts import add_bias, operands, spatial_axes
from pax.functional.windows import Padding, Pairs, check_padding, per_axis


def conv_transpose(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    data_format: str,
) -> Float[Array, "..."]:
    """Convolves an input, spread out by the stride, with a kernel.

    y[n, o] = sum over offsets k and channels i of z[n + k - p, i] W[k, o, i], plus b[o], with W
    the argument `weight`, b `bias`, p the padding before, z[n * stride] = x[n], and z zero
    elsewhere. This is what `jax.lax.conv_transpose` computes.

    Args:
        x: input, axes as in data_format, floating.
        weight: kernel, shape [*spatial, out_features, in_features], not flipped.
        bias: shape [out_features]; None adds nothing.
        stride: factor by which a spatial axis grows, an integer or one for each.
        padding: "SAME" (size * stride outputs), "VALID" (all that the input reaches, and no
            fewer than size * stride), or a pair (before, after) of zeros around z for each
            spatial axis.
        data_format: "NWC", "NCW", "NHWC" or "NCHW".
    Returns:
        Axes as in data_format, in the dtype `jnp` promotes the arguments to.
    Raises:
        ArgumentError: if an option is not one of these.
        ShapeError: if the shapes do not fit together, or nothing would be left of the output.
        DtypeError: if x or weight is not floating.
    Example:
        >>> x, weight = jnp.array([[[1.0], [2.0]]]), jnp.array([[[1.0]], [[10.0]]])
        >>> pax.functional.conv_transpose(x, weight, stride=2, data_format="NWC").ravel()
        Array([10.,  1., 20.,  2.], dtype=float32)
    Source: Dumoulin, Visin, "A guide to convolution arithmetic for deep learning", 2016
        (arXiv 1603.07285).
    """
    x, weight, bias, data_format = operands("conv_transpose", x, weight, bias, data_format, "OI")
    spatial = spatial_axes(data_format)
    stride = per_axis("conv_transpose", "stride", stride, len(spatial))
    padding = check_padding("conv_transpose", padding, len(spatial))
    pairs = _pad_pairs(padding, weight.shape[:-2], stride)
    sizes = tuple(
        (x.shape[axis] - 1) * s + 1 + sum(pair) - k + 1
        for axis, k, s, pair in zip(spatial, weight.shape, stride, pairs, strict=False)
    )
    if min(sizes) < 1:
        raise ShapeError(
            f"conv_transpose got x of shape {x.shape}; with weight of shape {weight.shape}, "
            f"stride {stride} and padding {padding} the output would be empty.",
            "use a larger input or more padding.",
        )
    y = _by_phases(x, weight, stride, pairs, sizes, data_format.index("C"))
    return add_bias(y, bias, data_format)


def _pad_pairs(padding: str | Pairs, kernel: Sequence[int], stride: Sequence[int]) -> Pairs:
    """Returns how many zeros go before and after the spread-out input, for each axis."""
    if not isinstance(padding, str):
        return padding
    pairs = []
    for k, s in zip(kernel, stride, strict=True):
        if padding == "VALID":
            pairs.append((k - 1, max(k, s) - 1))
        else:
            before = k - 1 if s >= k else (k + s - 1) // 2
            pairs.append((before, k + s - 2 - before))
    return tuple(pairs)


@partial(jax.jit, static_argnums=(2, 3, 4, 5), inline=True)  # one dispatch where called eagerly
def _by_phases(
    x: Array,
    weight: Array,
    stride: Sequence[int],
    pairs: Pairs,
    sizes: Sequence[int],
    channel_axis: int,
) -> Array:
    """Returns the transposed convolution of checked arguments.

    Outputs whose places leave the same remainder by the stride, a phase, meet the same entries of
    the kernel. So one dense convolution, with the phases as extra output features, and one
    interleaving do it, and no zero between the inputs is multiplied. On CPU the gradient takes a
    third to a tenth of the time of that of `lax.conv_transpose`.
    """
    x, count = jnp.moveaxis(x, channel_axis, -1), len(stride)
    *kernel, out_features, in_features = weight.shape
    taps = [-(-k // s) for k, s in zip(kernel, stride, strict=True)]

    # [*kernel, O, I] -> [tap, phase, ..., O, I] -> [*taps, I, *phases O]
    fill = [(0, t * s - k) for t, s, k in zip(taps, stride, kernel, strict=True)]
    weight = jnp.pad(weight, [*fill, (0, 0), (0, 0)])
    pieces = [size for pair in zip(taps, stride, strict=True) for size in pair]
    weight = weight.reshape(*pieces, out_features, in_features)
    tap_axes, phase_axes = range(0, 2 * count, 2), range(1, 2 * count, 2)
    weight = jnp.flip(weight, tuple(phase_axes))
    weight = weight.transpose(*tap_axes, 2 * count + 1, *phase_axes, 2 * count)
    weight = weight.reshape(*taps, in_features, math.prod(stride) * out_features)

    # the input is padded apart from the convolution: XLA's CPU gradient of a convolution whose
    # padding makes the output larger than the input is 20 times as slow
    ends = [
        -((before - size + 1) // s) + t - n
        for (before, _), size, s, t, n in zip(
            pairs, sizes, stride, taps, x.shape[1:-1], strict=True
        )
    ]
    spatial = [(b // s, end, 0) for (b, _), s, end in zip(pairs, stride, ends, strict=True)]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *spatial, (0, 0, 0)])
    space = "HW"[-count:]
    formats = (f"N{space}C", f"{space}IO", f"N{space}C")
    y = lax.conv_general_dilated(x, weight, [1] * count, "VALID", dimension_numbers=formats)

    # [B, *blocks, *phases O] -> [B, block, phase, ..., O] -> [B, *blocks phases, O]
    batch, *blocks, _ = y.shape
    y = y.reshape(batch, *blocks, *stride, out_features)
    order = [axis for d in range(count) for axis in (1 + d, 1 + count + d)]
    y = y.transpose(0, *order, 2 * count + 1)
    y = y.reshape(batch, *(n * s for n, s in zip(blocks, stride, strict=True)), out_features)
    starts = [s - 1 - before % s for (before, _), s in zip(pairs, stride, strict=True)]
    stops = [start + size for start, size in zip(starts, sizes, strict=True)]
    y = lax.slice(y, [0, *starts, 0], [batch, *stops, out_features])
    return jnp.moveaxis(y, -1, channel_axis)
