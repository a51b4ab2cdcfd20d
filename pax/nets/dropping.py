"""What a network drops at random while it trains, with keys of its own sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
from jaxtyping import Array

from pax.nn import RngSeq

#: A function of the input, and what it is called with before that: `drop(rng_key, rate, x)`.
Drop = tuple[Callable[[Any, float, Array], Array], float]


def functions(
    rng_seq: RngSeq, drops: Sequence[Drop], *, training: bool
) -> list[Callable[[Array], Array]]:
    """Returns functions of the input alone, each with a key of its own.

    No key is taken, and the input is returned as it is, in evaluation mode and where all rates
    are 0.
    """
    if not training or not any(rate for _, rate in drops):
        return [_nothing for _ in drops]
    rng_keys = jax.random.split(rng_seq.next_rng_key(), len(drops))
    return [partial(drop, key, rate) for (drop, rate), key in zip(drops, rng_keys, strict=True)]


def _nothing(x: Array) -> Array:
    return x
