"""An initializer that connects each output to a few inputs only."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from pax._core import ArgumentError
from pax.initializers.base import Initializer, RandomInitializer, checked_number
from pax.initializers.blocks import is_drawable
from pax.initializers.host import empty
from pax.initializers.laws import normal, uniform


def sparse(sparsity: ArrayLike, stddev: ArrayLike = 1e-2, dtype: Any = None) -> Initializer:
    """Returns an initializer of matrices with the same number of zeros in each column.

    Of the n inputs of each output, ceil(sparsity n) chosen at random have weight 0, and the
    others are normal with mean 0 and standard deviation stddev. torch also counts by columns, but
    a column of its matrices [outputs, inputs] is an input.

    Args:
        sparsity: the share of zeros, 0 <= sparsity < 1.
        stddev: the standard deviation of the other elements, not negative.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer, for shapes [inputs, outputs].
    Raises:
        ArgumentError: if sparsity is not in [0, 1), or stddev is negative or not finite.
    Example:
        >>> w = pax.initializers.sparse(0.75)(jax.random.key(0), (8, 3))
        >>> (w == 0).sum(axis=0)
        Array([6, 6, 6], dtype=int32)
    Source: Martens, "Deep learning via Hessian-free optimization", 2010.
    """
    share = checked_number("sparse", "sparsity", sparsity, lowest=0)
    if share >= 1:
        raise ArgumentError(
            f"sparse got sparsity={sparsity!r}; expected a number in [0, 1).",
            "give the share of zeros: write sparse(sparsity=0.9), for example.",
        )
    return _Sparse(share, checked_number("sparse", "stddev", stddev, lowest=0), dtype=dtype)


@dataclasses.dataclass(frozen=True, repr=False)
class _Sparse(RandomInitializer):
    _name = "sparse"
    sparsity: float
    stddev: float = 1e-2

    def _check(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2:
            raise ArgumentError(
                f"{self} got shape {shape}; expected two axes, (inputs, outputs).",
                "draw other shapes with pax.initializers.normal(), and multiply by a mask.",
            )

    def _of_jax(self) -> Any:
        return self._draw

    def _draw(self, key: Any, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        """Draws the weights and a rank for each; the lowest ranks of each column become zero."""
        weight_key, rank_key = jax.random.split(key)
        weights = normal(self.stddev)(weight_key, shape, dtype)
        ranks = uniform(1.0)(rank_key, shape, np.float32)
        zeros = math.ceil(round(self.sparsity * shape[0], 9))  # 0.07 * 100 is a little over 7
        if not is_drawable(key, dtype):
            order = jnp.argsort(jnp.argsort(ranks, axis=0), axis=0)
            return jnp.where(order < zeros, jnp.zeros((), dtype), weights)
        order = np.argsort(np.argsort(np.asarray(ranks), axis=0, stable=True), axis=0)
        kept = empty(shape, dtype)
        kept[...] = np.where(order < zeros, np.zeros((), dtype), np.asarray(weights))
        return jax.device_put(kept)
