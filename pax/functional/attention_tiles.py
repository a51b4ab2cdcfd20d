"""Tiles of the scores: a chunk of queries against a chunk of keys, with dropout in each."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

#: Most queries, and most keys, in a tile. Of 64, 128, 256 and 512, the fastest on CPUs for
#: forward and backward at 512 to 16,384 positions, or within a tenth of it.
CHUNK = 128

Index = int | Array


class Tiling(NamedTuple):
    """How queries and keys are cut into chunks, each axis into chunks of one size."""

    queries: int
    keys: int

    @property
    def counts(self) -> tuple[int, int]:
        """The numbers of chunks of queries and of keys."""
        return _count(self.queries), _count(self.keys)

    @property
    def sizes(self) -> tuple[int, int]:
        """The numbers of queries and of keys in a chunk, as even as can be."""
        return _size(self.queries), _size(self.keys)

    def tiles(self, is_causal: bool, window: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Returns row and column of every tile in which some query may see some key.

        The position of a place is its number.
        """
        rows, columns = np.indices(self.counts, np.int32).reshape(2, -1)
        height, width = self.sizes
        first, after = rows * height, (rows + 1) * height  # of the queries of each tile
        is_seen = np.ones(len(rows), bool)
        if is_causal:
            is_seen &= columns * width < after
        if window is not None:
            is_seen &= (columns + 1) * width > first - window + 1
            is_seen &= columns * width < after + window - 1
        return rows[is_seen], columns[is_seen]


def _count(length: int) -> int:
    return max(1, -(-length // CHUNK))


def _size(length: int) -> int:
    return -(-length // _count(length))


def dropped_of_tile(
    tiling: Tiling, rate: float, rng_key: Array, lead: tuple[int, ...], row: Index, column: Index
) -> Array:
    """Returns which weights of a tile are dropped, [*lead, c, d]."""
    rng_key = jax.random.fold_in(rng_key, row * tiling.counts[1] + column)
    # one dtype always: the draw does not depend on whether float64 is enabled
    return jax.random.bernoulli(rng_key, np.float32(rate), (*lead, *tiling.sizes))


def dropped_of_all(tiling: Tiling, rate: float, rng_key: Array, lead: tuple[int, ...]) -> Array:
    """Returns which weights are dropped, [*lead, T, S]: those of all tiles."""
    rows, columns = tiling.tiles(is_causal=False, window=None)

    def of_tile(tile: tuple[Array, Array]) -> Array:
        return dropped_of_tile(tiling, rate, rng_key, lead, *tile)

    # one after the other: some generators draw other bits for several keys at once
    tiles = lax.map(of_tile, (rows, columns)).reshape(*tiling.counts, *lead, *tiling.sizes)
    tiles = jnp.moveaxis(jnp.moveaxis(tiles, 0, -3), 0, -2)  # [*lead, n, c, m, d]
    dropped = tiles.reshape(
        *lead, *(n * c for n, c in zip(tiling.counts, tiling.sizes, strict=True))
    )
    return dropped[..., : tiling.queries, : tiling.keys]
