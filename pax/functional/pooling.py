"""Pooling."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Num

from pax._core import ArgumentError


def avg_pool(
    value: Num[ArrayLike, "..."],
    window_shape: int | Sequence[int],
    strides: int | Sequence[int],
    padding: str,
    channel_axis: int | None = -1,
) -> Num[Array, "..."]:
    """Averages over windows.

    Args:
        value: shape [B, ..., C].
        window_shape: size of the windows.
        strides: step of the windows.
        padding: "SAME" or "VALID".
        channel_axis: the axis that is not pooled.
    Returns:
        Pooled value, same rank.
    Raises:
        ArgumentError: if padding is not valid.
    """
    window, step = _sizes(value, window_shape, channel_axis), _sizes(value, strides, channel_axis)
    _check(padding)
    total = jax.lax.reduce_window(value, 0.0, jax.lax.add, window, step, padding)
    if padding == "VALID":
        return total / np.prod(window)
    count = jax.lax.reduce_window(jnp.ones_like(value), 0.0, jax.lax.add, window, step, padding)
    return total / count


def max_pool(
    value: Num[ArrayLike, "..."],
    window_shape: int | Sequence[int],
    strides: int | Sequence[int],
    padding: str,
    channel_axis: int | None = -1,
) -> Num[Array, "..."]:
    """Takes the largest of each window.

    Args:
        value: shape [B, ..., C].
        window_shape: size of the windows.
        strides: step of the windows.
        padding: "SAME" or "VALID".
        channel_axis: the axis that is not pooled.
    Returns:
        Pooled value, same rank.
    Raises:
        ArgumentError: if padding is not valid.
    """
    window, step = _sizes(value, window_shape, channel_axis), _sizes(value, strides, channel_axis)
    _check(padding)
    return jax.lax.reduce_window(value, -jnp.inf, jax.lax.max, window, step, padding)


def _check(padding: str) -> None:
    if padding not in ("SAME", "VALID"):
        raise ArgumentError(f"got padding={padding!r}; expected 'SAME' or 'VALID'.", "'SAME'")


def _sizes(value: Array, size: int | Sequence[int], channel_axis: int | None) -> tuple[int, ...]:
    if not isinstance(size, int):
        return tuple(size)
    skip = {0} if channel_axis is None else {0, channel_axis % value.ndim}
    return tuple(1 if i in skip else size for i in range(value.ndim))
