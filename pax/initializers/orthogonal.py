"""Initializers that draw orthogonal matrices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from pax._core import ArgumentError
from pax.initializers.base import Initializer, RandomInitializer, checked_number


def orthogonal(scale: ArrayLike = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """Returns an initializer that draws matrices with orthonormal rows or columns.

    w^T w = scale^2 I where w, its axes but column_axis flattened into one, has at least as many
    rows as columns; w w^T = scale^2 I where it has fewer. Every such matrix is equally likely.

    Args:
        scale: the length of each row or column.
        column_axis: the axis that counts the columns.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer, for shapes of two axes or more.
    Raises:
        ArgumentError: if scale is not finite or no number.
    Example:
        >>> w = pax.initializers.orthogonal()(jax.random.key(0), (5, 3))
        >>> bool(jnp.allclose(w.T @ w, jnp.eye(3), atol=1e-6))
        True
    Source: Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear
        neural networks", 2013 (arXiv 1312.6120).
    """
    return _Orthogonal(checked_number("orthogonal", "scale", scale), column_axis, dtype=dtype)


def delta_orthogonal(
    scale: ArrayLike = 1.0, column_axis: int = -1, dtype: Any = None
) -> Initializer:
    """Returns an initializer of convolution kernels that are orthogonal at their centre.

    The matrix of input and output channels at the central position is orthogonal, as drawn by
    `orthogonal`; every other element is zero.

    Args:
        scale: the length of each row or column of the matrix.
        column_axis: the axis of the matrix that counts the columns.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer, for shapes [spatial ..., inputs, outputs] with one to three spatial axes
        and at least as many outputs as inputs.
    Raises:
        ArgumentError: if scale is not finite or no number.
    Example:
        >>> w = pax.initializers.delta_orthogonal()(jax.random.key(0), (3, 4, 4))
        >>> bool(jnp.allclose(w[1].T @ w[1], jnp.eye(4), atol=1e-6)), float(abs(w[0]).max())
        (True, 0.0)
    Source: Xiao et al., "Dynamical isometry and a mean field theory of CNNs", 2018
        (arXiv 1806.05393).
    """
    scale = checked_number("delta_orthogonal", "scale", scale)
    return _DeltaOrthogonal(scale, column_axis, dtype=dtype)


@dataclasses.dataclass(frozen=True, repr=False)
class _Orthogonal(RandomInitializer):
    _name = "orthogonal"
    scale: float
    column_axis: int = -1

    def _check(self, shape: tuple[int, ...]) -> None:
        if len(shape) < 2:
            raise ArgumentError(
                f"{self} got shape {shape}; expected two axes or more.",
                "draw vectors with another initializer, such as pax.initializers.normal().",
            )

    def _of_jax(self) -> Any:
        return _wide(jax.nn.initializers.orthogonal(self.scale, self.column_axis))


@dataclasses.dataclass(frozen=True, repr=False)
class _DeltaOrthogonal(RandomInitializer):
    _name = "delta_orthogonal"
    scale: float
    column_axis: int = -1

    def _check(self, shape: tuple[int, ...]) -> None:
        if not 3 <= len(shape) <= 5 or shape[-1] < shape[-2]:
            raise ArgumentError(
                f"{self} got shape {shape}; expected (spatial ..., inputs, outputs) "
                "with one to three spatial axes and inputs <= outputs.",
                "use pax.initializers.orthogonal() for any other shape.",
            )

    def _of_jax(self) -> Any:
        return _wide(jax.nn.initializers.delta_orthogonal(self.scale, self.column_axis))


def _wide(init: Callable[..., Array]) -> Callable[..., Array]:
    """Returns an initializer that draws halves in float32: JAX factors no matrix of halves."""

    def draw(key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        is_half = jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize < 4
        return init(key, shape, np.float32 if is_half else dtype).astype(dtype)

    return draw
