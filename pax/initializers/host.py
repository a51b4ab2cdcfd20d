"""Arrays made by NumPy that JAX takes over as they are, with nothing to compile."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pax._core import is_tracing

#: XLA reads buffers that start at a multiple of this many bytes without copying them.
_ALIGNMENT = 64


def is_host_allowed() -> bool:
    """Returns whether NumPy may make arrays now: nothing is traced, and no mesh is set."""
    return not is_tracing() and jax.sharding.get_abstract_mesh().empty


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Returns an array with undefined values, aligned so that `jax.device_put` need not copy it.

    Where the device is the host, the JAX array then owns this memory: write to it only before.
    """
    num_bytes = math.prod(shape) * dtype.itemsize
    memory = np.empty(num_bytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + num_bytes].view(dtype).reshape(shape)


def full(value: Any, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Returns what `jnp.full(shape, value, dtype)` does."""
    if not is_host_allowed() or dtype != jax.dtypes.canonicalize_dtype(dtype):
        return jnp.full(shape, value, dtype)
    array = empty(shape, dtype)
    array[...] = value
    return jax.device_put(array)


def scattered(
    value: float, places: tuple[Any, ...], shape: tuple[int, ...], dtype: np.dtype
) -> Array:
    """Returns zeros with `value` at these places, one index or array of them for each axis."""
    if not is_host_allowed() or dtype != jax.dtypes.canonicalize_dtype(dtype):
        return jnp.zeros(shape, dtype).at[places].set(value)
    array = empty(shape, dtype)
    array[...] = 0
    array[places] = value
    return jax.device_put(array)
