"""Random arrays drawn in blocks of one size, so that all shapes share one compiled program.

JAX's generator (threefry, partitionable) hashes the key with each element's position in the
flattened array. A block is therefore the same program for every shape and every place in it:
JAX's own law at a fixed size, given a key that starts counting where the block starts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from pax._core import define_prng
from pax.initializers.host import empty, is_host_allowed

#: Elements of a block: large enough to hide the cost of a call, small enough that the unused
#: part of a last block hardly counts.
BLOCK = 2**16

_DTYPES = {"float32", "bfloat16", "float16", "float64"}
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


class Plan(NamedTuple):
    """What to draw: `law(key, shape, scale.dtype, scale, *bounds)`.

    The value that the law gives an element may depend on its position in the flattened array,
    but on nothing else of the shape.
    """

    law: Callable[..., Array]
    scale: np.ndarray  # no axes; of the dtype to draw
    bounds: tuple[Any, ...] = ()


def is_drawable(key: ArrayLike, dtype: np.dtype) -> bool:
    """Returns whether `draw` gives exactly what JAX would, on the same device."""
    return (
        is_host_allowed()
        and getattr(jax.config, "jax_threefry_partitionable", True)
        and jax.random.key_impl(key) == "threefry2x32"
        and jax.random.key_data(key).shape == (2,)
        and not getattr(key, "committed", False)
        and dtype.name in _DTYPES
        and dtype == jax.dtypes.canonicalize_dtype(dtype)
    )


def draw(key: ArrayLike, shape: tuple[int, ...], plan: Plan) -> Array:
    """Returns the array that the plan's law gives for this shape, equal to the last bit."""
    law, scale, bounds = plan
    array = empty(shape, scale.dtype)
    flat = array.reshape(-1)
    words = np.asarray(jax.random.key_data(key))
    for start in range(0, flat.size, BLOCK):
        position = np.array([start >> 32, start & 0xFFFFFFFF], np.uint32)
        block = _block(law, scale.dtype, np.concatenate([words, position]), scale, bounds)
        part = flat[start : start + BLOCK]
        part[:] = np.asarray(block)[: part.size]
    return jax.device_put(array)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _block(
    law: Callable[..., Array], dtype: np.dtype, words: Array, scale: Array, bounds: tuple
) -> Array:
    key = jax.random.wrap_key_data(words, impl=_counting_threefry())
    # Eager JAX multiplies by the scale in a program of its own. Behind the barrier XLA cannot
    # merge the scale with the constants of the law, which would round differently.
    scale = jax.lax.optimization_barrier(jnp.broadcast_to(scale, (BLOCK,)))
    return law(key, (BLOCK,), dtype, scale, *bounds)


@functools.cache
def _counting_threefry() -> Any:
    """Returns the generator whose keys are a key of JAX, then a 64-bit position to start at."""
    return define_prng("pax_counting_threefry", key_words=4, random_bits=_counting_bits)


def _counting_bits(words: Array, width: int, shape: tuple[int, ...]) -> Array:
    """Returns the bits that JAX draws with key `words[:2]` from position `words[2:]` on."""
    word0, word1, high, low = words
    bits0, bits1 = _threefry(word0, word1, high, low + jax.lax.iota(jnp.uint32, shape[0]))
    if width == 64:
        return (bits0.astype(jnp.uint64) << np.uint64(32)) | bits1.astype(jnp.uint64)
    return (bits0 ^ bits1).astype(f"uint{width}")


def _threefry(word0: Array, word1: Array, x0: Array, x1: Array) -> tuple[Array, Array]:
    """Returns pairs of 32-bit words hashed with 20 rounds of Threefry-2x32.

    Written out like this it compiles and runs faster than the rolled loop of JAX.

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
    """
    words = (word0, word1, word0 ^ word1 ^ np.uint32(0x1BD11BDA))
    x0, x1 = x0 + word0, x1 + word1
    for i in range(5):
        for rotation in _ROTATIONS[i % 2]:
            x0 = x0 + x1
            x1 = (x1 << np.uint32(rotation)) | (x1 >> np.uint32(32 - rotation))
            x1 = x0 ^ x1
        x0 = x0 + words[(i + 1) % 3]
        x1 = x1 + words[(i + 2) % 3] + np.uint32(i + 1)
    return x0, x1
