"""DropBlock: whole blocks of a picture set to zero at random."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, ShapeError, arguments
from pax.functional.arrays import accumulation_dtype, as_floating
from pax.functional.dropout import check_rate
from pax.functional.layouts import channel_axis


def drop_block(
    rng_key: ArrayLike,
    dropout_rate: float,
    block_size: int,
    x: ArrayLike,
    *,
    data_format: str = "N...C",
) -> Float[Array, "B ..."]:
    """Zeroes blocks of neighbouring places, each channel of each sample its own.

    y = x m n / sum(m), with m the mask of kept entries and n the number of entries, so that the
    mean is about kept. m is 0 in every block, of block_size places along each axis of space,
    whose first corner is drawn with probability g = p / s^d * prod_i N_i / (N_i - s + 1), with p
    the argument `dropout_rate`, s = block_size, d the number of axes of space and N_i their
    sizes: all blocks lie inside, and about the share p of all entries is dropped (less, where
    blocks overlap).

    Args:
        rng_key: the random key of the draw, `jax.random.bernoulli(rng_key, g, shape)` over the
            places of first corners, x.shape with N_i - s + 1 for N_i.
        dropout_rate: the share p of entries to drop, 0 <= p < 1.
        block_size: s, the side of a block.
        x: input, shape [B, ..., C] or [B, C, ...] with one or more axes of space, floating.
        data_format: "N...C" or "NC...", where the channels of x are.
    Returns:
        Shape and dtype of x; zeros if all was dropped.
    Raises:
        ArgumentError: if dropout_rate is not a number in [0, 1), block_size is not a positive
            integer, or data_format is another.
        DtypeError: if x is not floating.
        ShapeError: if x has no axis of space, or a block does not fit into it.
    Example:
        >>> y = pax.functional.drop_block(jax.random.key(0), 0.2, 3, jnp.ones((1, 8, 8, 1)))
        >>> int((y == 0).sum())
        21
    Source: Ghiasi et al., "DropBlock: a regularization method for convolutional networks", 2018
        (arXiv 1810.12890).
    """
    check_rate("drop_block", dropout_rate)
    if not arguments.is_int(block_size) or block_size < 1:
        raise ArgumentError(
            f"drop_block got block_size={block_size!r}; expected an integer of at least 1.",
            "give the side of the blocks in places, e.g. block_size=7.",
        )
    x = as_floating("drop_block", "x", x)
    channel = channel_axis("drop_block", x, data_format, spatial=1)
    space = tuple(axis for axis in range(1, x.ndim) if axis != channel)
    if any(x.shape[axis] < block_size for axis in space):
        raise ShapeError(
            f"drop_block got x of shape {x.shape}, {data_format}; a block of {block_size} places "
            "along each axis does not fit.",
            f"choose a block_size of at most {max(1, min(x.shape[axis] for axis in space))}.",
        )
    if dropout_rate == 0:
        return x
    return _drop(rng_key, float(dropout_rate), int(block_size), space, x)


@partial(jax.jit, static_argnums=(1, 2, 3), inline=True)  # one dispatch where called eagerly
def _drop(rng_key: ArrayLike, rate: float, size: int, space: tuple[int, ...], x: Array) -> Array:
    corners = tuple(n - size + 1 if axis in space else n for axis, n in enumerate(x.shape))
    of_space = math.prod(x.shape[axis] for axis in space)
    share = rate * of_space / math.prod(size * corners[axis] for axis in space)
    dropped = jax.random.bernoulli(rng_key, share, corners).astype(accumulation_dtype(x))
    for axis in space:  # a corner becomes a block, one axis after the other
        window = tuple(size if i == axis else 1 for i in range(x.ndim))
        around = tuple((size - 1, size - 1) if i == axis else (0, 0) for i in range(x.ndim))
        ones = (1,) * x.ndim
        dropped = jax.lax.reduce_window(dropped, -jnp.inf, jax.lax.max, window, ones, around)
    kept = 1 - dropped
    scale = x.size / jnp.maximum(kept.sum(), 1.0)
    return jnp.where(kept > 0, x * scale.astype(x.dtype), jnp.zeros((), x.dtype))
