"""Random keys for those who do not pass their own."""

from __future__ import annotations

import random
import threading
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pax._core.errors import ArgumentError
from pax._core.jax_compat import is_tracing

#: The seed of a thread that never called `seed_rng_key`.
_DEFAULT_SEED = 42

_warned = threading.Event()


class _Stream(threading.local):
    def __init__(self) -> None:
        self.numbers = random.Random(_DEFAULT_SEED)


_stream = _Stream()


def seed_rng_key(seed: int) -> None:
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


def key_of(seed: int) -> Array:
    """Returns `jax.random.PRNGKey(seed)`, without compiling anything where that can be."""
    config = jax.config
    if (
        config.jax_default_prng_impl == "threefry2x32"
        and not config.jax_enable_custom_prng
        and 0 <= seed < 2**32
    ):
        return jnp.asarray(np.array([0, seed], np.uint32))
    return jax.random.PRNGKey(seed)
