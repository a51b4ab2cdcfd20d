"""Array arguments, turned into JAX arrays that agree on a dtype."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pax._core import DtypeError

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


def check_floating(function: str, argument: str, dtype: np.dtype) -> None:
    """Raises unless `dtype`, that of the argument, is floating."""
    if not jnp.issubdtype(dtype, jnp.floating):
        raise DtypeError(
            f"{function} got {argument} of dtype {dtype}; expected a floating dtype.",
            f"convert it first, e.g. {argument}.astype(jnp.float32).",
        )


def promote(*arrays: Array) -> tuple[Array, ...]:
    """Returns the arrays in the dtype that `jnp` functions would give their combination."""
    if len({array.dtype for array in arrays}) == 1:
        return arrays
    dtype = jnp.result_type(*arrays)
    return tuple(array.astype(dtype) for array in arrays)


def accumulation_dtype(array: Array) -> np.dtype:
    """Returns the dtype for sums and statistics of `array`: float32, or float64 for float64."""
    return np.dtype(np.float64 if array.dtype == np.float64 else np.float32)
