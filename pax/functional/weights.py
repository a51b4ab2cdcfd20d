"""Weights made of others: of a direction and a length, of spectral norm 1, standardised."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, ShapeError
from pax.functional.arrays import accumulation_dtype, as_floating


def weight_normalize(
    weight: ArrayLike, scale: ArrayLike, axis: int | None = -1
) -> Float[Array, "..."]:
    """Gives each part of a weight along an axis a length of its own.

    w = weight / |weight| * scale, with the Euclidean norm over all axes but `axis`.

    Args:
        weight: the direction, any shape, floating.
        scale: the lengths: one for each entry of the axis, or one alone where axis is None.
        axis: the axis whose entries have lengths of their own; None for one length in all.
    Returns:
        Shape and dtype of weight.
    Raises:
        ArgumentError: if weight has not this axis.
        ShapeError: if scale has another shape.
        DtypeError: if an argument is not floating.
    Example:
        >>> weight = jnp.array([[3.0, 0.0], [4.0, 5.0]])
        >>> pax.functional.weight_normalize(weight, jnp.array([10.0, 1.0])).tolist()
        [[6.0, 0.0], [8.0, 1.0]]
    Source: Salimans and Kingma, "Weight normalization: a simple reparameterization to accelerate
        training of deep neural networks", 2016 (arXiv 1602.07868).
    """
    weight = as_floating("weight_normalize", "weight", weight)
    scale = as_floating("weight_normalize", "scale", scale)
    kept = None if axis is None else _axis("weight_normalize", weight, axis)
    _check_shape("weight_normalize", "scale", scale, () if kept is None else (weight.shape[kept],))
    return _weight_normalize(weight, scale, kept)


def weight_standardize(
    weight: ArrayLike, axis: int = -1, eps: float = 1e-10
) -> Float[Array, "..."]:
    """Gives each part of a weight along an axis the mean 0 and the variance 1.

    w = (weight - mean) / sqrt(variance + eps), with mean and mean squared deviation over all axes
    but `axis`.

    Args:
        weight: any shape, floating.
        axis: the axis whose entries are standardised by themselves: that of the outputs.
        eps: keeps the square root away from zero.
    Returns:
        Shape and dtype of weight.
    Raises:
        ArgumentError: if weight has not this axis.
        DtypeError: if weight is not floating.
    Example:
        >>> pax.functional.weight_standardize(jnp.array([[1.0, 10.0], [3.0, 14.0]])).tolist()
        [[-1.0, -1.0], [1.0, 1.0]]
    Source: Qiao et al., "Micro-batch training with batch-channel normalization and weight
        standardization", 2019 (arXiv 1903.10520).
    """
    weight = as_floating("weight_standardize", "weight", weight)
    return _weight_standardize(weight, _axis("weight_standardize", weight, axis), eps)


def power_iteration(
    weight: ArrayLike, v: ArrayLike, axis: int = -1, num_steps: int = 1, eps: float = 1e-12
) -> tuple[Float[Array, "out"], Float[Array, "rest"]]:
    """Brings two vectors closer to the first singular vectors of a weight, seen as a matrix.

    u = M v / |M v|, then v = M^T u / |M^T u|, again and again, where the rows of M are the entries
    of the axis and its columns all others, flattened in order. No gradient goes through.

    Args:
        weight: two axes or more, floating.
        v: the vector of the columns, one entry for each, floating.
        axis: the axis of the rows: that of the outputs.
        num_steps: how often.
        eps: the least that is divided by.
    Returns:
        u, one entry for each row, and v, both in the dtype of v.
    Raises:
        ArgumentError: if weight has not this axis, or num_steps is not positive.
        ShapeError: if v has not so many entries.
        DtypeError: if an argument is not floating.
    Example:
        >>> weight = jnp.array([[1.0, 0.0], [0.0, 4.0]])
        >>> u, v = pax.functional.power_iteration(weight, jnp.array([0.6, 0.8]), num_steps=3)
        >>> print(u.round(2), v.round(2))
        [0. 1.] [0. 1.]
    """
    weight = as_floating("power_iteration", "weight", weight)
    v = as_floating("power_iteration", "v", v)
    axis = _axis("power_iteration", weight, axis)
    _check_shape("power_iteration", "v", v, (weight.size // max(weight.shape[axis], 1),))
    if num_steps < 1:
        raise ArgumentError(
            f"power_iteration got num_steps={num_steps}; expected at least 1.",
            "write num_steps=1.",
        )
    return _power_iteration(weight, v, axis, num_steps, eps)


def spectral_normalize(
    weight: ArrayLike, u: ArrayLike, v: ArrayLike, axis: int = -1
) -> Float[Array, "..."]:
    """Divides a weight by its largest singular value, as two vectors tell it.

    w = weight / sigma with sigma = u^T M v, where the rows of M are the entries of the axis and its
    columns all others. u and v count as constants for the gradient.

    Args:
        weight: two axes or more, floating.
        u: the first left singular vector, from `power_iteration`.
        v: the first right one.
        axis: the axis of the rows: that of the outputs.
    Returns:
        Shape and dtype of weight.
    Raises:
        ArgumentError: if weight has not this axis.
        ShapeError: if u or v have another number of entries.
        DtypeError: if an argument is not floating.
    Example:
        >>> weight = jnp.array([[1.0, 0.0], [0.0, 4.0]])
        >>> first = jnp.array([0.0, 1.0])
        >>> pax.functional.spectral_normalize(weight, first, first).tolist()
        [[0.25, 0.0], [0.0, 1.0]]
    Source: Miyato et al., "Spectral normalization for generative adversarial networks", 2018
        (arXiv 1802.05957).
    """
    weight = as_floating("spectral_normalize", "weight", weight)
    u, v = (as_floating("spectral_normalize", k, x) for k, x in (("u", u), ("v", v)))
    axis = _axis("spectral_normalize", weight, axis)
    rows = weight.shape[axis]
    _check_shape("spectral_normalize", "u", u, (rows,))
    _check_shape("spectral_normalize", "v", v, (weight.size // max(rows, 1),))
    return _spectral_normalize(weight, u, v, axis)


def _axis(function: str, weight: Array, axis: int) -> int:
    """Returns an axis of the weight, counted from 0."""
    if not -weight.ndim <= axis < weight.ndim:
        raise ArgumentError(
            f"{function} got axis={axis} for a weight of shape {weight.shape}.",
            "name one of its axes, that of the outputs.",
        )
    return axis % weight.ndim


def _check_shape(function: str, argument: str, value: Array, shape: tuple[int, ...]) -> None:
    if value.shape != shape:
        raise ShapeError(
            f"{function} got {argument} of shape {value.shape}; expected {shape}.",
            f"make {argument} for this weight and this axis.",
        )


@partial(jax.jit, static_argnums=2, inline=True)  # one dispatch where called eagerly
def _weight_normalize(weight: Array, scale: Array, axis: int | None) -> Array:
    wide = weight.astype(accumulation_dtype(weight))
    norm = jnp.sqrt(jnp.sum(jnp.square(wide), axis=_others(weight, axis), keepdims=True))
    gain = scale.astype(wide.dtype).reshape(norm.shape) / norm
    return (wide * gain).astype(weight.dtype)


@partial(jax.jit, static_argnums=(1, 2), inline=True)
def _weight_standardize(weight: Array, axis: int, eps: float) -> Array:
    wide = weight.astype(accumulation_dtype(weight))
    axes = _others(weight, axis)
    centred = wide - jnp.mean(wide, axis=axes, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=axes, keepdims=True)
    return (centred * lax.rsqrt(variance + eps)).astype(weight.dtype)


@partial(jax.jit, static_argnums=(2, 3, 4), inline=True)
def _power_iteration(
    weight: Array, v: Array, axis: int, num_steps: int, eps: float
) -> tuple[Array, Array]:
    matrix = _columns(lax.stop_gradient(weight), axis)
    wide_v = lax.stop_gradient(v).astype(matrix.dtype)

    def step(_: Any, vectors: tuple[Array, Array]) -> tuple[Array, Array]:
        u = _unit(_times(vectors[1], matrix), eps)
        return u, _unit(_times(matrix, u), eps)

    vectors = step(0, (wide_v, wide_v))
    if num_steps > 1:
        vectors = lax.fori_loop(1, num_steps, step, vectors)
    wide_u, wide_v = vectors
    return wide_u.astype(v.dtype), wide_v.astype(v.dtype)


@partial(jax.jit, static_argnums=3, inline=True)
def _spectral_normalize(weight: Array, u: Array, v: Array, axis: int) -> Array:
    matrix = _columns(weight, axis)
    u, v = (lax.stop_gradient(x).astype(matrix.dtype) for x in (u, v))
    sigma = _times(v, _times(matrix, u))
    return (weight.astype(matrix.dtype) / sigma).astype(weight.dtype)


def _others(weight: Array, axis: int | None) -> tuple[int, ...]:
    """Returns all axes but one."""
    return tuple(i for i in range(weight.ndim) if i != axis)


def _columns(weight: Array, axis: int) -> Array:
    """Returns the matrix with a column for each entry of the axis: no copy for the last one."""
    wide = weight.astype(accumulation_dtype(weight))
    return jnp.moveaxis(wide, axis, -1).reshape(-1, weight.shape[axis])


#: Products with vectors read the matrix once: to be exact costs no time, on any device.
_times: Callable[[Array, Array], Array] = partial(jnp.matmul, precision=lax.Precision.HIGHEST)


def _unit(x: Array, eps: float) -> Array:
    """Returns the vector divided by its norm."""
    return x / jnp.maximum(jnp.sqrt(jnp.sum(jnp.square(x))), eps)
