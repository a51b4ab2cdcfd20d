"""Initializers of layers that give back their input."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Array, ArrayLike

from pax._core import ArgumentError, arguments
from pax.initializers.base import Initializer, checked_number, checked_shape, resolved_dtype
from pax.initializers.host import scattered


def identity(scale: ArrayLike = 1.0, dtype: Any = None) -> Initializer:
    """Returns an initializer of matrices that give back their input, times a number.

    w_ij = scale where i = j, else 0. Where there are fewer outputs than inputs the last inputs are
    dropped; where there are more the last outputs are 0.

    Args:
        scale: what stands on the diagonal.
        dtype: what a call gives that names no dtype; JAX's default float where None.
    Returns:
        An initializer, for shapes [inputs, outputs], which does not look at its key.
    Raises:
        ArgumentError: if scale is not finite or no number.
    Example:
        >>> pax.initializers.identity()(None, (2, 3))
        Array([[1., 0., 0.],
               [0., 1., 0.]], dtype=float32)
    """
    return _Identity(checked_number("identity", "scale", scale), dtype=dtype)


def dirac(
    scale: ArrayLike = 1.0, dtype: Any = None, *, feature_group_count: int = 1
) -> Initializer:
    """Returns an initializer of convolution kernels that give back their input, times a number.

    The matrix of input and output channels at the centre is scale on the diagonal, all else is 0;
    with groups, that of each group. The centre of k places is place (k - 1) // 2, which "SAME"
    padding with stride 1 puts over the output. torch takes place k // 2, the same where k is odd.

    Args:
        scale: what stands on the diagonal.
        dtype: what a call gives that names no dtype; JAX's default float where None.
        feature_group_count: the number of groups of the convolution.
    Returns:
        An initializer, for shapes [spatial ..., inputs / groups, outputs] with one spatial axis or
        more, which does not look at its key.
    Raises:
        ArgumentError: if scale is not finite or no number, or there is less than one group.
    Example:
        >>> conv = pax.Conv1D(2, 2, 3, w_init=pax.initializers.dirac())
        >>> x = jax.random.normal(jax.random.key(0), (1, 5, 2))
        >>> bool((conv(x) == x).all())
        True
    Source: Zagoruyko and Komodakis, "DiracNets: training very deep neural networks without
        skip-connections", 2017 (arXiv 1706.00388).
    """
    arguments.sizes("dirac", feature_group_count=feature_group_count)
    scale = checked_number("dirac", "scale", scale)
    return _Dirac(scale, int(feature_group_count), dtype=dtype)


@dataclasses.dataclass(frozen=True, repr=False)
class _Identity(Initializer):
    _name = "identity"
    scale: float = 1.0

    def __call__(self, key: Any, shape: Any, dtype: Any = None) -> Array:
        """Returns the array, as `Initializer.__call__` says; the key may be None."""
        shape = checked_shape(self, shape)
        if len(shape) != 2:
            raise ArgumentError(
                f"{self} got shape {shape}; expected two axes, (inputs, outputs).",
                "for the kernel of a convolution use pax.initializers.dirac().",
            )
        diagonal = np.arange(min(shape))
        dtype = resolved_dtype(dtype, self.dtype)
        return scattered(self.scale, (diagonal, diagonal), shape, dtype)


@dataclasses.dataclass(frozen=True, repr=False)
class _Dirac(Initializer):
    _name = "dirac"
    scale: float = 1.0
    feature_group_count: int = 1

    def __call__(self, key: Any, shape: Any, dtype: Any = None) -> Array:
        """Returns the array, as `Initializer.__call__` says; the key may be None."""
        shape = checked_shape(self, shape)
        groups = self.feature_group_count
        if len(shape) < 3:
            raise ArgumentError(
                f"{self} got shape {shape}; expected (spatial ..., inputs, outputs) with one "
                "spatial axis or more.",
                "for a matrix use pax.initializers.identity().",
            )
        if shape[-1] % groups:
            raise ArgumentError(
                f"{self} got shape {shape}, whose {shape[-1]} outputs do not divide into "
                f"{groups} groups.",
                "give the feature_group_count of the convolution; its outputs are a multiple.",
            )
        *space, inputs, outputs = shape
        diagonal = np.arange(min(inputs, outputs // groups))
        first = np.arange(groups)[:, None] * (outputs // groups)  # output of each group
        centre = ((k - 1) // 2 for k in space)
        places = (*centre, np.tile(diagonal, (groups, 1)), first + diagonal)
        return scattered(self.scale, places, shape, resolved_dtype(dtype, self.dtype))
