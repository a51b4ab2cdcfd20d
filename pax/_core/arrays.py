"""Array arguments of functions, turned into JAX arrays."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from pax._core.errors import DtypeError

_NUMBERS = (np.ndarray, np.generic, bool, int, float, complex)


def as_array(function: str, argument: str, value: object) -> Array:
    """Returns `value` as a JAX array; what is neither an array nor a number is refused."""
    if isinstance(value, jax.Array):
        return value
    if not isinstance(value, _NUMBERS):
        raise DtypeError(
            f"{function} got {argument} of type {type(value).__name__}; expected an array.",
            f"pass an array, e.g. jnp.asarray({argument}).",
        )
    return jnp.asarray(value)


def as_floating(function: str, argument: str, value: object) -> Array:
    """Returns `value` as a JAX array of a floating dtype."""
    array = as_array(function, argument, value)
    check_floating(function, argument, array.dtype)
    return array


def as_wide(function: str, argument: str, value: object) -> Array:
    """Returns `value` as a JAX array of floating numbers, in float32 at least."""
    array = as_floating(function, argument, value)
    return array.astype(accumulation_dtype(array))


def accumulation_dtype(array: Array) -> np.dtype:
    """Returns the dtype for sums and statistics of `array`: float32, or float64 for float64."""
    return np.dtype(np.float64 if array.dtype == np.float64 else np.float32)


def known(x: Any) -> np.ndarray | None:
    """Returns the numbers of an array, or None where this program cannot see them."""
    if isinstance(x, Tracer) or not getattr(x, "is_fully_addressable", True):
        return None
    return np.asarray(x)


def check_floating(function: str, argument: str, dtype: np.dtype) -> None:
    """Raises unless `dtype`, that of the argument, is floating."""
    if not jnp.issubdtype(dtype, jnp.floating):
        raise DtypeError(
            f"{function} got {argument} of dtype {dtype}; expected a floating dtype.",
            f"convert it first, e.g. {argument}.astype(jnp.float32).",
        )
