"""Random keys for the parts of a layer."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Array

from pax._core import key_or_next


def for_weight_and_bias(rng_key: Any, b_init: Any) -> tuple[Any, Any]:
    """Returns the keys of a weight and of a bias.

    Only a bias that is drawn needs a key of its own; splitting one for zeros would cost more
    time than the zeros.
    """
    key = key_or_next(rng_key)
    if b_init is None:
        return key, key
    return tuple(jax.random.split(key))


def while_training(module: Any, strength: float) -> Array | None:
    """Returns a fresh key and leaves another as `module.rng_key`; None if nothing is to be drawn.

    That is in evaluation mode, and where what the key is for has no strength.
    """
    if not module.training or strength == 0:
        return None
    module.rng_key, key = jax.random.split(module.rng_key)
    return key
