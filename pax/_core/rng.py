"""Random keys for those who do not pass their own."""

from __future__ import annotations

import random
import threading
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pax._core.errors import ArgumentError
from pax._core.jax_compat import is_tracing, uses_raw_threefry

#: The seed of a thread that never called `seed_rng_key`.
_DEFAULT_SEED = 42

_warned = threading.Event()


class _Stream(threading.local):
    def __init__(self) -> None:
        self.numbers = random.Random(_DEFAULT_SEED)


_stream = _Stream()


def seed_rng_key(seed: int | np.integer) -> None:
    """Restarts this thread's stream of random keys.

    Args:
        seed: any integer.
    Raises:
        ArgumentError: if `seed` is not an integer.
    Example:
        >>> pax.seed_rng_key(1)
        >>> a = pax.next_rng_key()
        >>> pax.seed_rng_key(1)
        >>> bool((a == pax.next_rng_key()).all())
        True
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise ArgumentError(
            f"seed_rng_key got a seed of type {type(seed).__name__}; expected an int.",
            "pax.seed_rng_key(42)",
        )
    _stream.numbers = random.Random(int(seed))


def next_rng_key() -> Array:
    """Returns the next random key of this thread's stream.

    The k-th key after `seed_rng_key(s)` is `jax.random.PRNGKey(n)`, `n` the k-th
    `randint(1, 999_999_999)` of `random.Random(s)`; without a seed, s = 42. Every thread has a
    stream of its own.

    Returns:
        A raw JAX key, shape [2], dtype uint32 (for JAX's default generator).
    Example:
        >>> pax.next_rng_key().shape
        (2,)
    """
    if is_tracing() and not _warned.is_set():
        _warned.set()
        warnings.warn(
            "pax.next_rng_key() was called inside a JAX transformation: the key becomes a "
            "constant of the compiled function, the same at every call. Pass rng_key=... to "
            "the layer or function, and the key as an argument of the transformed function.",
            stacklevel=2,
        )
    return key_of(_stream.numbers.randint(1, 999_999_999))


def key_or_next(rng_key: Any) -> Array:
    """Returns the caller's key, checked, or the next one of the stream if it is None."""
    if rng_key is None:
        return next_rng_key()
    if isinstance(rng_key, (jax.Array, np.ndarray)):
        if jnp.issubdtype(rng_key.dtype, jax.dtypes.prng_key) and rng_key.ndim == 0:
            return jnp.asarray(rng_key)
        if rng_key.dtype == np.uint32 and rng_key.ndim == 1:
            return jnp.asarray(rng_key)
        found = f"an array of shape {rng_key.shape} and dtype {rng_key.dtype}"
    else:
        found = f"{rng_key!r}"
    raise ArgumentError(
        f"rng_key got {found}; expected one random key of JAX.",
        "pass jax.random.key(seed), or leave it out to use the stream of pax.seed_rng_key.",
    )


def keys_for_parts(rng_key: Any, n: int) -> list[Any]:
    """Returns `n` keys for layers inside a layer; each draws the next one itself if None."""
    return [None] * n if rng_key is None else list(jax.random.split(key_or_next(rng_key), n))


def key_of(seed: int) -> Array:
    """Returns `jax.random.PRNGKey(seed)`, without compiling anything where that can be."""
    if uses_raw_threefry() and 0 <= seed < 2**32:
        return jax.device_put(np.array([0, seed], np.uint32))
    return jax.random.PRNGKey(seed)
