"""What stands beyond the ends of an axis: zeros, or entries of the axis itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from pax._core import ShapeError
from pax.functional.windows import Pairs

#: The name that `jnp.pad` has for each mode.
_NAMES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def extended(function: str, x: Array, axes: Sequence[int], pairs: Pairs, mode: str) -> Array:
    """Returns x, longer by a pair (before, after) along each axis, filled by the mode."""
    for axis, pair in zip(axes, pairs, strict=True):
        size = x.shape[axis]
        most = {"reflect": max(size - 1, 0), "circular": size}.get(mode, max(pair) if size else 0)
        if max(pair) > most:
            raise ShapeError(
                f"{function} got input of shape {x.shape} and padding_mode={mode!r}; an axis of "
                f"{size} cannot be padded by {pair}: at most {most} on each side.",
                "use less padding, a smaller kernel or rate, or padding_mode='zeros'.",
            )
    padding = [(0, 0)] * x.ndim
    for axis, pair in zip(axes, pairs, strict=True):
        padding[axis] = pair
    return _pad(x, tuple(padding), _NAMES[mode])


@partial(jax.jit, static_argnums=(1, 2), inline=True)  # one dispatch where called eagerly
def _pad(x: Array, padding: Pairs, mode: str) -> Array:
    return jnp.pad(x, padding, mode=mode)
