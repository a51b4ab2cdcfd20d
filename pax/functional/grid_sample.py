"""Deformable sampling: the values of an image at places that a grid names."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, ShapeError, arguments
from pax.functional.arrays import accumulation_dtype, as_floating
from pax.functional.interpolation import neighbours
from pax.functional.space import for_each_axis, space_of

_METHODS = ("nearest", "linear", "cubic")
_PADDING_MODES = ("zeros", "border", "reflection")


def grid_sample(
    x: ArrayLike,
    grid: ArrayLike,
    method: str = "linear",
    padding_mode: str = "zeros",
    *,
    align_corners: bool = False,
    data_format: str = "N...C",
) -> Float[Array, "..."]:
    """Samples an image at the places of a grid.

    Places go from -1 to 1 along each axis: from border to border, or from the centre of the first
    entry to that of the last with `align_corners`. The last axis of grid names the last spatial
    axis first, as (x, y) for [B, H, W, C]. All of it is as in `torch.nn.functional.grid_sample`.
    Both x and grid get gradients.

    Args:
        x: image, shape [B, ..., C], or [B, C, ...] with channels first, floating.
        grid: places, shape [B, ..., n] for n spatial axes of x, floating.
        method: "nearest", "linear" (bilinear over two axes) or "cubic", as for `resize`.
        padding_mode: what is beyond the border: "zeros", the last entry ("border"), or the image
            mirrored ("reflection"), about the border or with align_corners about the last entry.
        align_corners: whether -1 and 1 are centres of entries.
        data_format: "N...C" or "NC...", of x and the output.
    Returns:
        Shape of grid with C in place of n, channels first as x; dtype of x.
    Raises:
        ArgumentError: if an argument is not one of these.
        ShapeError: if x has no spatial axis or an empty one, or grid does not fit.
        DtypeError: if x or grid are not floating.
    Example:
        >>> x = jnp.array([1.0, 3.0]).reshape(1, 2, 1)
        >>> grid = jnp.array([-0.5, 0.0, 1.0]).reshape(1, 3, 1)
        >>> pax.functional.grid_sample(x, grid).ravel()
        Array([1. , 2. , 1.5], dtype=float32)
    Source: Jaderberg et al., "Spatial transformer networks", 2015 (arXiv 1506.02025).
    """
    x, grid = as_floating("grid_sample", "x", x), as_floating("grid_sample", "grid", grid)
    arguments.one_of("grid_sample", "method", method, _METHODS)
    arguments.one_of("grid_sample", "padding_mode", padding_mode, _PADDING_MODES)
    space = space_of("grid_sample", x, data_format)
    n = len(space)
    if grid.ndim < 2 or grid.shape[0] != x.shape[0] or grid.shape[-1] != n:
        raise ShapeError(
            f"grid_sample got grid of shape {grid.shape} for x of shape {x.shape} in "
            f"{data_format}; expected ({x.shape[0]}, ..., {n}).",
            f"give it one place of {n} numbers for each entry of the output, for each image.",
        )
    if any(x.shape[axis] == 0 for axis in space):
        raise ShapeError(
            f"grid_sample got x of shape {x.shape}, which has a spatial axis of size 0.",
            "give it an input that is not empty; only the batch may be.",
        )
    if data_format == "N...C":
        return _sample(x, grid, method, padding_mode, align_corners)
    y = _sample(jnp.moveaxis(x, 1, -1), grid, method, padding_mode, align_corners)
    return jnp.moveaxis(y, -1, 1)


def affine_grid(
    theta: ArrayLike, spatial_shape: Sequence[int], *, align_corners: bool = False
) -> Float[Array, "..."]:
    """Makes a grid for `grid_sample` that turns, scales and shifts an image.

    grid[b, p] = A p + t with theta[b] = (A, t), over the places p of all entries of an image; the
    last spatial axis is the first of the n coordinates.

    Args:
        theta: affine maps, shape [B, n, n + 1], floating.
        spatial_shape: the n spatial axes of the output of `grid_sample`.
        align_corners: as for `grid_sample`.
    Returns:
        Shape [B, *spatial_shape, n], dtype of theta.
    Raises:
        ArgumentError: if spatial_shape is not n sizes.
        ShapeError: if theta has not this shape.
        DtypeError: if theta is not floating.
    Example:
        >>> theta = jnp.array([[[2.0, 1.0]]])
        >>> pax.functional.affine_grid(theta, (2,)).ravel()
        Array([0., 2.], dtype=float32)
    Source: Jaderberg et al., "Spatial transformer networks", 2015 (arXiv 1506.02025).
    """
    theta = as_floating("affine_grid", "theta", theta)
    if not isinstance(spatial_shape, Sequence) or not spatial_shape:
        raise ArgumentError(
            f"affine_grid got spatial_shape={spatial_shape!r}; expected a size for each spatial "
            "axis.",
            "write spatial_shape=(8, 8) for an image of 8 x 8.",
        )
    n = len(spatial_shape)
    sizes = for_each_axis("affine_grid", "spatial_shape", spatial_shape, n)
    if theta.ndim != 3 or theta.shape[1:] != (n, n + 1):
        raise ShapeError(
            f"affine_grid got theta of shape {theta.shape}; expected (B, {n}, {n + 1}) for "
            f"spatial_shape={sizes}.",
            "give it a matrix and a shift, side by side, for each image.",
        )
    return _affine_grid(theta, sizes, align_corners)


@partial(jax.jit, static_argnums=(1, 2), inline=True)  # one dispatch where called eagerly
def _affine_grid(theta: Array, sizes: tuple[int, ...], align_corners: bool) -> Array:
    dtype = accumulation_dtype(theta)
    steps = [2 * np.arange(size) + 1 - size for size in sizes]  # twice the way from the middle
    spans = [max(size - 1, 1) if align_corners else size for size in sizes]
    along = [step / span for step, span in zip(steps, spans, strict=True)]
    places = np.stack([*reversed(np.meshgrid(*along, indexing="ij")), np.ones(sizes)], axis=-1)
    return jnp.einsum(
        "...j,bij->b...i",
        jnp.asarray(places, dtype),
        theta.astype(dtype),
        precision=jax.lax.Precision.HIGHEST,
    ).astype(theta.dtype)


@partial(jax.jit, static_argnums=(2, 3, 4), inline=True)
def _sample(x: Array, grid: Array, method: str, padding_mode: str, align_corners: bool) -> Array:
    dtype = jnp.promote_types(accumulation_dtype(x), accumulation_dtype(grid))
    batch, *sizes, channels = x.shape
    rows = x.astype(dtype).reshape(batch, math.prod(sizes), channels)
    places = grid.astype(dtype).reshape(batch, math.prod(grid.shape[1:-1]), len(sizes))
    taps = [
        list(_taps(places[..., -1 - axis], size, method, padding_mode, align_corners))
        for axis, size in enumerate(sizes)
    ]
    y = jnp.zeros((*places.shape[:2], channels), dtype)
    for corner in itertools.product(*taps):
        at, weight, inside = jnp.zeros((), jnp.int32), jnp.ones((), dtype), jnp.array(True)
        for size, (place, part, is_inside) in zip(sizes, corner, strict=True):
            index = jnp.clip(place, 0, size - 1).astype(jnp.int32)
            at, weight, inside = at * size + index, weight * part, inside & is_inside
        found = jax.vmap(lambda row, i: row.at[i].get(mode="clip"))(rows, at)
        # an infinite entry of the border is not what lies beyond it
        found = jnp.where(inside[..., None], found, jnp.zeros((), dtype))
        y = y + found * weight[..., None]
    return y.reshape(*grid.shape[:-1], channels).astype(x.dtype)


def _taps(
    coordinate: Array, size: int, method: str, padding_mode: str, align_corners: bool
) -> Iterator[tuple[Array, Array, Array]]:
    """Yields the entries along one axis that a place looks at: index, weight, whether it is there.

    The border bends the place itself, but under cubic interpolation the entries that it looks at.
    """
    from_first = (coordinate + 1) / 2
    at = from_first * (size - 1) if align_corners else from_first * size - 0.5
    bent = partial(_bent, size=size, padding_mode=padding_mode, align_corners=align_corners)
    if method == "cubic":
        places, weights = neighbours(at, method)
        places = [bent(place) for place in places]
    elif method == "linear":
        places, weights = neighbours(bent(at), method)
    else:
        places, weights = [jnp.round(bent(at))], [jnp.ones_like(at)]
    for place, weight in zip(places, weights, strict=True):
        yield place, weight, (place >= 0) & (place <= size - 1)


def _bent(at: Array, size: int, padding_mode: str, align_corners: bool) -> Array:
    """Returns places beyond the border moved to where their values are."""
    if padding_mode == "zeros":
        return at
    if padding_mode == "reflection":
        low, span = (0.0, size - 1) if align_corners else (-0.5, size)
        if span == 0:
            return jnp.zeros_like(at)
        way = jnp.abs(at - low)
        rest, flips = jnp.fmod(way, span), jnp.floor(way / span)
        at = jnp.where(flips % 2 == 0, rest, span - rest) + low
    return jnp.clip(at, 0, size - 1)
