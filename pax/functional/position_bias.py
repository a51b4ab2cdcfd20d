"""Scores that depend on the distance of query and key: slopes and buckets of distances."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int32

from pax._core import ArgumentError, DtypeError, arguments
from pax.functional.arrays import as_array


def alibi_slopes(num_heads: int) -> Float[Array, "H"]:
    """Returns the slope of each head in ALiBi: how fast scores fall with the distance.

    For H a power of two: m_h = 2^(-8 (h + 1) / H), h = 0 ... H - 1. For another H: the slopes of
    the largest power of two P below it, then the first, third, fifth, ... of those of 2 P.

    Args:
        num_heads: H, number of heads.
    Returns:
        Shape [H], float32.
    Raises:
        ArgumentError: if num_heads is not a positive integer.
    Example:
        >>> print(pax.functional.alibi_slopes(4))
        [0.25       0.0625     0.015625   0.00390625]
    Source: Press et al., "Train short, test long: attention with linear biases enables input
        length extrapolation", 2021 (arXiv 2108.12409), and the code published with it.
    """
    arguments.sizes("alibi_slopes", num_heads=num_heads)
    power = 1 << (int(num_heads).bit_length() - 1)
    slopes = 2.0 ** (-8.0 * np.arange(1, power + 1) / power)
    between = 2.0 ** (-4.0 * np.arange(1, 2 * power, 2) / power)
    return jnp.asarray(np.concatenate([slopes, between])[:num_heads], np.float32)


def relative_position_bucket(
    relative: ArrayLike,
    *,
    num_buckets: int = 32,
    max_distance: int = 128,
    is_bidirectional: bool = True,
) -> Int32[Array, "..."]:
    """Returns the buckets of relative positions in T5: one for each small distance, then wider.

    Each direction has n buckets: n = num_buckets where only the past counts, half of them where
    both directions do (keys ahead of the query then have the second half). With e = n // 2, the
    distance d has bucket d if d < e, otherwise
    min(n - 1, e + floor((n - e) log(d / e) / log(max_distance / e))).

    Args:
        relative: position of the key minus position of the query, integers of any shape.
        num_buckets: number of buckets, even where both directions count.
        max_distance: distances from here on share the last bucket.
        is_bidirectional: whether keys ahead of the query have buckets of their own; otherwise
            they have that of distance 0.
    Returns:
        Shape of relative, integers in [0, num_buckets).
    Raises:
        ArgumentError: if the numbers of buckets and distances do not fit.
        DtypeError: if relative is not an array of integers.
    Example:
        >>> relative = jnp.array([0, -1, -20, -200, 1])
        >>> print(pax.functional.relative_position_bucket(relative))
        [ 0  1 10 15 17]
    Source: Raffel et al., "Exploring the limits of transfer learning with a unified text-to-text
        transformer", 2019 (arXiv 1910.10683), and the code published with it.
    """
    check_buckets("relative_position_bucket", num_buckets, max_distance, is_bidirectional)
    relative = as_array("relative_position_bucket", "relative", relative)
    if not jnp.issubdtype(relative.dtype, jnp.integer):
        raise DtypeError(
            f"relative_position_bucket got relative of dtype {relative.dtype}; expected integers.",
            "subtract integer positions: key_positions[None, :] - query_positions[:, None].",
        )
    return _bucket(relative, int(num_buckets), int(max_distance), bool(is_bidirectional))


def check_buckets(name: str, num_buckets: int, max_distance: int, is_bidirectional: bool) -> None:
    """Raises unless the numbers of buckets and distances fit together."""
    arguments.sizes(name, num_buckets=num_buckets, max_distance=max_distance)
    arguments.flags(name, is_bidirectional=is_bidirectional)
    each = 4 if is_bidirectional else 2
    if num_buckets < each or (is_bidirectional and num_buckets % 2):
        even = "an even integer" if is_bidirectional else "an integer"
        raise ArgumentError(
            f"{name} got num_buckets={num_buckets!r} with is_bidirectional={is_bidirectional!r}; "
            f"expected {even} of at least {each}.",
            "write num_buckets=32, as T5.",
        )
    exact = num_buckets // each
    if max_distance <= exact:
        raise ArgumentError(
            f"{name} got max_distance={max_distance!r} for num_buckets={num_buckets!r}; expected "
            f"more than the {exact} distances that have a bucket each.",
            "write max_distance=128, as T5, or take fewer buckets.",
        )


@partial(jax.jit, static_argnums=(1, 2, 3), inline=True)  # one dispatch where called eagerly
def _bucket(relative: Array, num_buckets: int, max_distance: int, is_bidirectional: bool) -> Array:
    relative = relative.astype(np.int32)
    buckets = num_buckets // 2 if is_bidirectional else num_buckets
    distance = jnp.abs(relative) if is_bidirectional else jnp.maximum(-relative, 0)
    starts = jnp.asarray(_starts(buckets, max_distance), np.int32)
    bucket = jnp.searchsorted(starts, distance, side="right", method="compare_all").astype(np.int32)
    return bucket + buckets * (relative > 0).astype(np.int32) if is_bidirectional else bucket


def _starts(buckets: int, max_distance: int) -> list[int]:
    """Returns the first distance of each bucket but the first, in exact arithmetic."""
    exact = buckets // 2
    wide = buckets - exact
    starts, distance = list(range(1, exact + 1)), exact
    for k in range(1, wide):
        # the least d with (d / exact)^wide >= (max_distance / exact)^k
        while distance**wide * exact**k < max_distance**k * exact**wide:
            distance += 1
        starts.append(distance)
    return starts
