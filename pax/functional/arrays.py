"""Array arguments, turned into JAX arrays that agree on a dtype."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from pax._core import accumulation_dtype as accumulation_dtype
from pax._core import as_array as as_array
from pax._core import as_floating as as_floating
from pax._core import check_floating as check_floating


def promote(*arrays: Array) -> tuple[Array, ...]:
    """Returns the arrays in the dtype that `jnp` functions would give their combination."""
    if len({array.dtype for array in arrays}) == 1:
        return arrays
    dtype = jnp.result_type(*arrays)
    return tuple(array.astype(dtype) for array in arrays)
