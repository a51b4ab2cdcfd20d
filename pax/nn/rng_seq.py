"""A stream of random keys, as a module."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Array

from pax._core import StateModule, arguments, key_of, key_or_next


class RngSeq(StateModule):
    """An endless sequence of random keys.

    Args:
        seed: an integer seed.
        rng_key: a random key; it counts more than the seed. Without either, the next key of
            `pax.next_rng_key()` is taken.
    Raises:
        ArgumentError: if seed is no integer, or rng_key no key.
    Example:
        >>> rngs, key = pax.module_and_value(pax.RngSeq(seed=42).next_rng_key)()
        >>> key.shape
        (2,)
    """

    _rng_key: Array

    def __init__(self, seed: int | None = None, rng_key: Any = None) -> None:
        super().__init__()
        if seed is not None:
            arguments.integer("RngSeq", "seed", seed)
        if seed is not None and rng_key is None:
            self._rng_key = key_of(int(seed))
        else:
            self._rng_key = key_or_next(rng_key)

    def next_rng_key(self, num_keys: int = 1) -> Any:
        """Returns the next key, or a list of keys; in training and evaluation mode alike.

        Asking for different numbers of keys gives different keys: the state is split into
        num_keys + 1.

        Args:
            num_keys: how many.
        Returns:
            One key if num_keys is 1, else a list of num_keys keys.
        Raises:
            ArgumentError: if num_keys is not a positive integer.
            PurityError: outside `pax.pure`.
        """
        arguments.sizes("RngSeq.next_rng_key", num_keys=num_keys)
        self._rng_key, *keys = jax.random.split(self._rng_key, num_keys + 1)
        return keys[0] if num_keys == 1 else keys
