"""The arithmetic of dense layers: products along the last axis."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Num

from pax._core import ShapeError, is_on_mesh
from pax.functional.arrays import as_array, promote


def linear(
    x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None
) -> Num[Array, "*B out_dim"]:
    """Maps the last axis of the input through a matrix.

    y = x W + b, with W the argument `weight` and b the argument `bias`.

    Args:
        x: input, shape [..., in_dim].
        weight: shape [in_dim, out_dim].
        bias: shape [out_dim]; None adds nothing.
    Returns:
        Shape [..., out_dim], in the dtype `jnp` promotes the arguments to.
    Raises:
        ShapeError: if the shapes do not fit together.
        DtypeError: if an argument is no array.
    Example:
        >>> pax.functional.linear(jnp.array([1.0, 2.0]), jnp.eye(2), jnp.array([0.5, 0.0]))
        Array([1.5, 2. ], dtype=float32)
    """
    x, weight = as_array("linear", "x", x), as_array("linear", "weight", weight)
    if weight.ndim != 2:
        raise ShapeError(
            f"linear got weight of shape {weight.shape}; expected [in_dim, out_dim].",
            "store the matrix with the input axis first, then the output axis.",
        )
    in_dim, out_dim = weight.shape
    if x.ndim == 0 or x.shape[-1] != in_dim:
        raise ShapeError(
            f"linear got x of shape {x.shape}; expected (..., {in_dim}).",
            f"the last axis of x meets the first axis of weight, whose shape is {weight.shape}.",
        )
    if bias is None:
        return _affine(*promote(x, weight), None)
    bias = as_array("linear", "bias", bias)
    if bias.shape != (out_dim,):
        raise ShapeError(
            f"linear got bias of shape {bias.shape}; expected ({out_dim},).",
            f"bias has one entry for each column of weight, whose shape is {weight.shape}.",
        )
    return _affine(*promote(x, weight, bias))


def bilinear(
    left: ArrayLike, right: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None
) -> Num[Array, "*B out_dim"]:
    """Maps the last axes of two inputs through a weight, linear in each.

    y_k = sum_ij left_i W_ijk right_j + b_k, with W the argument `weight` and b the argument `bias`.

    Args:
        left: shape [..., left_dim].
        right: shape [..., right_dim], the axes before the last as those of left.
        weight: shape [left_dim, right_dim, out_dim].
        bias: shape [out_dim]; None adds nothing.
    Returns:
        Shape [..., out_dim], in the dtype `jnp` promotes the arguments to.
    Raises:
        ShapeError: if the shapes do not fit together.
        DtypeError: if an argument is no array.
    Example:
        >>> x, y = jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0])
        >>> pax.functional.bilinear(x, y, jnp.eye(2)[:, :, None])
        Array([11.], dtype=float32)
    """
    left, right = as_array("bilinear", "left", left), as_array("bilinear", "right", right)
    weight = as_array("bilinear", "weight", weight)
    if (
        weight.ndim != 3
        or left.shape[-1:] != weight.shape[:1]
        or right.shape[-1:] != weight.shape[1:2]
        or left.shape[:-1] != right.shape[:-1]
    ):
        raise ShapeError(
            f"bilinear got left of shape {left.shape}, right of shape {right.shape} and weight of "
            f"shape {weight.shape}; expected [..., left_dim], [..., right_dim] and "
            "[left_dim, right_dim, out_dim].",
            "give left and right the same axes but for the last, and weight one axis for each.",
        )
    if bias is None:
        return _bilinear(*promote(left, right, weight), None)
    bias = as_array("bilinear", "bias", bias)
    if bias.shape != weight.shape[2:]:
        raise ShapeError(
            f"bilinear got bias of shape {bias.shape}; expected {weight.shape[2:]}.",
            f"bias has one entry for each output of weight, whose shape is {weight.shape}.",
        )
    return _bilinear(*promote(left, right, weight, bias))


@partial(jax.jit, inline=True)  # one dispatch where called eagerly
def _bilinear(left: Array, right: Array, weight: Array, bias: Array | None) -> Array:
    # the order of the two products, which depends on the sizes, is that of the fewest operations
    y = jnp.einsum("...i,...j,ijk->...k", left, right, weight)
    return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + bias.shape)


@partial(jax.jit, inline=True)  # one dispatch where called eagerly
def _affine(x: Array, weight: Array, bias: Array | None) -> Array:
    y = product(x, weight)
    return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + bias.shape)


def product(x: Array, weight: Array) -> Array:
    """Returns the product of the last axis of x with a matrix.

    With more than one axis before it, XLA on the CPU copies the gradient of y, transposed, to make
    that of W: a training step of a Transformer of 6 layers, width 128, took 1.25 times as long, the
    gradient of a 1x1 convolution up to 2 times. So these axes become one. Other platforms do this
    by themselves, and axes that lie over devices are better left apart.
    """
    if x.ndim < 3 or is_on_mesh(x) or jax.default_backend() != "cpu":
        return jnp.dot(x, weight)
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return jnp.dot(rows, weight).reshape(*x.shape[:-1], weight.shape[1])
