"""Initializers that draw nothing: every element is given."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Array

from pax._core import ArgumentError
from pax.initializers.base import Initializer, checked_shape, resolved_dtype
from pax.initializers.host import full


def zeros(key: Any, shape: Any, dtype: Any = None) -> Array:
    """Returns an array of zeros.

    Args:
        key: not looked at; None will do.
        shape: the size of each axis.
        dtype: any dtype of JAX; its default float where None.
    Returns:
        An array of this shape and dtype.
    Raises:
        ArgumentError: if a size is negative or no integer.
    Example:
        >>> pax.initializers.zeros(None, (3,))
        Array([0., 0., 0.], dtype=float32)
    """
    return full(0, checked_shape("zeros", shape), resolved_dtype(dtype))


def ones(key: Any, shape: Any, dtype: Any = None) -> Array:
    """Returns an array of ones.

    Args:
        key: not looked at; None will do.
        shape: the size of each axis.
        dtype: any dtype of JAX; its default float where None.
    Returns:
        An array of this shape and dtype.
    Raises:
        ArgumentError: if a size is negative or no integer.
    Example:
        >>> pax.initializers.ones(None, (3,))
        Array([1., 1., 1.], dtype=float32)
    """
    return full(1, checked_shape("ones", shape), resolved_dtype(dtype))


def constant(value: Any, dtype: Any = None) -> Initializer:
    """Returns an initializer that copies a value into the array.

    Args:
        value: a number, or an array that broadcasts to the shapes asked for.
        dtype: what a call gives that names no dtype; JAX's default float where None.
    Returns:
        An initializer, which does not look at its key.
    Example:
        >>> pax.initializers.constant(0.5)(None, (3,))
        Array([0.5, 0.5, 0.5], dtype=float32)
    """
    return _Constant(value, dtype=dtype)


@dataclasses.dataclass(frozen=True, repr=False)
class _Constant(Initializer):
    _name = "constant"
    value: Any

    def __call__(self, key: Any, shape: Any, dtype: Any = None) -> Array:
        """Returns the array, as `Initializer.__call__` says; the key may be None."""
        shape = checked_shape(self, shape)
        axes = np.shape(self.value)
        if len(axes) > len(shape) or any(
            inner not in (1, outer) for inner, outer in zip(axes[::-1], shape[::-1], strict=False)
        ):
            raise ArgumentError(
                f"constant got shape {shape} for a value of shape {axes}; expected a shape that "
                "the value broadcasts to.",
                f"ask for shape {axes}, or give one number.",
            )
        return full(self.value, shape, resolved_dtype(dtype, self.dtype))
