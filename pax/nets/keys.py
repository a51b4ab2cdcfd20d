"""Random keys for the layers of a network."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import jax

from pax._core import key_or_next


def for_layers(rng_key: Any) -> Iterator[Any]:
    """Yields one key after the other; None each time if there is none to start from.

    A layer without a key draws the next of `pax.next_rng_key()`. Keys are split off one by one,
    so that networks of all sizes share one compiled program.
    """
    if rng_key is None:
        yield from itertools.repeat(None)
    key = key_or_next(rng_key)
    while True:
        key, part = jax.random.split(key)
        yield part
