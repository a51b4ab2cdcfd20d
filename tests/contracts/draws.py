"""Random arguments for the calls of the catalogue."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.contracts.case import Draw


def normal(*axes: int) -> Draw:
    """Draws one floating array, shape [B, *axes]."""
    return lambda rng, dtype, batch: (_array(rng.standard_normal((batch, *axes)), dtype),)


def unbatched(*axes: int) -> Draw:
    """Draws one floating array without a batch axis."""
    return lambda rng, dtype, batch: (_array(rng.standard_normal(axes), dtype),)


def positive(*axes: int) -> Draw:
    """Draws one positive array without a batch axis."""
    return lambda rng, dtype, batch: (_array(rng.random(axes) + 0.5, dtype),)


def integers(high: int, *axes: int) -> Draw:
    """Draws one array of integers in [0, high), shape [B, *axes]."""
    return lambda rng, dtype, batch: (_array(rng.integers(high, size=(batch, *axes)), jnp.int32),)


def seen(*axes: int, batched: bool = False) -> Draw:
    """Draws a mask; the first place of its last axis may always be seen."""

    def draw(rng: np.random.Generator, dtype: Any, batch: int) -> tuple[Any, ...]:
        mask = rng.random((batch, *axes) if batched else axes) < 0.5
        mask[..., 0] = True
        return (jax.device_put(mask),)

    return draw


def random_key() -> Draw:
    """Draws a random key."""
    return lambda rng, dtype, batch: (_array(rng.integers(2**32, size=2), jnp.uint32),)


def arguments(*draws: Draw) -> Draw:
    """Draws several arguments, one after the other."""
    return lambda rng, dtype, batch: tuple(x for draw in draws for x in draw(rng, dtype, batch))


def packed(pack: Any, *draws: Draw) -> Draw:
    """Draws one argument, a container made of several arrays: `pack(x, y)`."""
    draw_all = arguments(*draws)
    return lambda rng, dtype, batch: (pack(*draw_all(rng, dtype, batch)),)


def nothing(rng: np.random.Generator, dtype: Any, batch: int) -> tuple[Any, ...]:
    """Draws no arguments."""
    return ()


def _array(x: Any, dtype: Any) -> Any:
    return jax.device_put(np.asarray(x).astype(dtype))
