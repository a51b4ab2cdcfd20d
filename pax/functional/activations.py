"""Activations that JAX has not, or of which it keeps much for the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, ShapeError, arguments
from pax.functional.arrays import as_floating


def gelu(x: ArrayLike, *, approximate: bool = True) -> Float[Array, "..."]:
    """Weighs each entry by the share of a normal law below it.

    y = x P(x), with P the distribution function of the standard normal law, or, if approximate,
    y = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). It is `jax.nn.gelu`, but the backward
    pass computes from x again what that one keeps: `jax.grad` keeps one array instead of three,
    or five if approximate.

    Args:
        x: input, any shape, floating.
        approximate: whether to take the formula with tanh, as GPT-2 does; the other one is the
            default in PyTorch.
    Returns:
        Shape and dtype of x.
    Raises:
        ArgumentError: if approximate is not True or False.
        DtypeError: if x is not floating.
    Example:
        >>> print(pax.functional.gelu(jnp.array([-10.0, 0.0, 10.0])))
        [-0.  0. 10.]
    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016 (arXiv 1606.08415).
    """
    arguments.flags("gelu", approximate=approximate)
    return _gelu(as_floating("gelu", "x", x), bool(approximate))


# Forward and backward of a Transformer, 6 layers of width 128, batch 32 x 64, two cores: 97 ms and
# 149 MB; with `jax.nn.gelu` 100 ms and 174 MB; with relu 93 ms and 149 MB. A rule of our own that
# keeps the derivative was no better: XLA keeps x and tanh in its place.
@partial(jax.jit, static_argnums=1, inline=True)  # one dispatch where called eagerly
def _gelu(x: Array, approximate: bool) -> Array:
    return jax.checkpoint(partial(jax.nn.gelu, approximate=approximate))(x)


def glu(
    x: ArrayLike, axis: int = -1, *, activation: Callable[[Any], Any] = jax.nn.sigmoid
) -> Float[Array, "..."]:
    """Lets one half of the entries open and close the other.

    y = a * activation(b), with a and b the first and the second half of x along the axis. The
    backward pass computes from x again what is between.

    Args:
        x: input, floating, of an even size along the axis.
        axis: the axis to halve.
        activation: what goes over the gate b: a function of an array, such as `jax.nn.silu`.
    Returns:
        Half of x along the axis, dtype of x.
    Raises:
        ArgumentError: if axis is no integer, or activation cannot be called.
        DtypeError: if x is not floating.
        ShapeError: if x has no such axis, or its size is odd.
    Example:
        >>> print(pax.functional.glu(jnp.array([2.0, 4.0, 0.0, 100.0])))
        [1. 4.]
    Source: Dauphin et al., "Language modeling with gated convolutional networks", 2016
        (arXiv 1612.08083); other activations: Shazeer, "GLU variants improve Transformer", 2020
        (arXiv 2002.05202).
    """
    arguments.integer("glu", "axis", axis)
    if not callable(activation):
        raise ArgumentError(
            f"glu got activation of type {type(activation).__name__}, which cannot be called.",
            "pass a function of an array: activation=jax.nn.silu.",
        )
    x = as_floating("glu", "x", x)
    if not -x.ndim <= axis < x.ndim or x.shape[axis] % 2:
        raise ShapeError(
            f"glu got x of shape {x.shape} and axis={axis}; expected an even size along it.",
            "let the layer before give twice as many features as are wanted.",
        )
    return _glu(x, axis, activation)


@partial(jax.jit, static_argnums=(1, 2), inline=True)  # one dispatch where called eagerly
def _glu(x: Array, axis: int, activation: Callable[[Array], Array]) -> Array:
    @jax.checkpoint
    def gated(x: Array) -> Array:
        value, gate = jnp.split(x, 2, axis)
        return value * activation(gate)

    return gated(x)


def prelu(x: ArrayLike, slope: ArrayLike, *, data_format: str = "N...C") -> Float[Array, "..."]:
    """Multiplies what is negative by a slope.

    y = x where x > 0, else a x, with a the argument `slope`. At 0 the derivative is a.

    Args:
        x: input, shape [B, ..., C] or [B, C, ...], floating; any shape with a single slope.
        slope: shape [C], one for each channel, or [1], one for all, floating.
        data_format: "N...C" or "NC...", where the channels of x are.
    Returns:
        Shape and dtype of x.
    Raises:
        ArgumentError: if data_format is another.
        DtypeError: if x or slope is not floating.
        ShapeError: if slope has not one axis, or x has not C channels.
    Example:
        >>> print(pax.functional.prelu(jnp.array([[-2.0, -2.0, 2.0]]), jnp.array([0.5, 0.0, 0.5])))
        [[-1. -0.  2.]]
    Source: He et al., "Delving deep into rectifiers", 2015 (arXiv 1502.01852).
    """
    if data_format not in ("N...C", "NC..."):
        raise ArgumentError(
            f"prelu got data_format={data_format!r}; expected 'N...C' or 'NC...'.",
            "write data_format='N...C' where the channels are the last axis.",
        )
    x, slope = as_floating("prelu", "x", x), as_floating("prelu", "slope", slope)
    axis = x.ndim - 1 if data_format == "N...C" else 1
    if slope.ndim != 1:
        raise ShapeError(
            f"prelu got slope of shape {slope.shape}; expected (channels,) or (1,).",
            "give one slope for each channel of x, or a single one for all.",
        )
    if slope.shape != (1,) and (not 0 <= axis < x.ndim or x.shape[axis] != slope.shape[0]):
        raise ShapeError(
            f"prelu got x of shape {x.shape}, {data_format}, and slope of shape {slope.shape}; "
            f"expected {slope.shape[0]} channels.",
            "give one slope for each channel of x, or a single one for all.",
        )
    return _prelu(x, slope, axis)


@partial(jax.jit, static_argnums=2, inline=True)  # one dispatch where called eagerly
def _prelu(x: Array, slope: Array, axis: int) -> Array:
    shape = [1] * x.ndim
    if slope.shape[0] > 1:
        shape[axis] = slope.shape[0]
    return jnp.where(x > 0, x, slope.astype(x.dtype).reshape(shape) * x)
