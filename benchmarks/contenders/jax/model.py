"""A model is two functions: one draws its parameters, one applies them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
from jax import Array

#: Nested dicts and lists of arrays.
Params = Any
State = Any


class Model(NamedTuple):
    """What the training step needs to know.

    Attributes:
        init: of sizes and keys; returns the parameters, and the state (batch statistics).
        apply: of sizes, parameters, state, input, and whether it trains; returns output and state.
    """

    init: Callable[[Any, Iterator[Array]], tuple[Params, State]]
    apply: Callable[[Any, Params, State, Array, bool], tuple[Array, State]]


def stateless(
    init: Callable[[Any, Iterator[Array]], Params], apply: Callable[[Any, Params, Array], Array]
) -> Model:
    """Returns a model without state, which computes the same in training and evaluation."""
    return Model(
        lambda sizes, keys: (init(sizes, keys), {}),
        lambda sizes, params, state, x, training: (apply(sizes, params, x), state),
    )


def keys_from(seed: int) -> Iterator[Array]:
    """Yields new keys without end."""
    key = jax.random.key(seed)
    while True:
        key, drawn = jax.random.split(key)
        yield drawn
