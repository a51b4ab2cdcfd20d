"""Attention tile by tile: exact, and no array grows with queries times keys.

Queries and keys are cut into chunks; a tile is a chunk of queries against a chunk of keys. The
value goes over the tiles once and keeps, for each query, the largest score so far, the sum of the
weights and the weighted sum of values. The derivative goes over them again and computes the
weights of each tile anew, from the logarithm of that sum. It is written once, as a linear
function of the tangents, which JAX transposes for `grad` and differentiates again.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from pax.functional.arrays import accumulation_dtype

#: Most queries, and most keys, in a tile. Of 64, 128, 256 and 512, the fastest on CPUs for
#: forward and backward at 512 to 16,384 positions, or within a tenth of it.
CHUNK = 128

Index = int | Array


class Tiling(NamedTuple):
    """How queries and keys are cut into chunks, each axis into chunks of one size."""

    queries: int
    keys: int
    is_causal: bool

    @property
    def counts(self) -> tuple[int, int]:
        """The numbers of chunks of queries and of keys."""
        return _count(self.queries), _count(self.keys)

    @property
    def sizes(self) -> tuple[int, int]:
        """The numbers of queries and of keys in a chunk, as even as can be."""
        return _size(self.queries), _size(self.keys)

    def tiles(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns row and column of every tile in which some query may see some key."""
        rows, columns = np.indices(self.counts, np.int32).reshape(2, -1)
        if self.is_causal:
            height, width = self.sizes
            is_seen = columns * width < (rows + 1) * height
            rows, columns = rows[is_seen], columns[is_seen]
        return rows, columns


def _count(length: int) -> int:
    return max(1, -(-length // CHUNK))


def _size(length: int) -> int:
    return -(-length // _count(length))


def attend_chunked(
    query: Array, key: Array, value: Array, mask: Array | None, is_causal: bool
) -> Array:
    """Attends as `dot_product_attention` says; a mask has the rank of the scores."""
    tiling = Tiling(query.shape[-3], key.shape[-3], is_causal)
    if mask is not None:
        mask = _pad_mask(tiling, mask)
    y, _ = _average(tiling, mask, _cut(query), _cut(key), _cut(value))  # [n, ..., H, c, V]
    y = jnp.swapaxes(jnp.moveaxis(y, 0, -4), -2, -3)  # [..., n, c, H, V]
    y = y.reshape(*y.shape[:-4], y.shape[-4] * y.shape[-3], *y.shape[-2:])
    return y[..., : tiling.queries, :, :].astype(value.dtype)


def _cut(x: Array) -> Array:
    """Cuts [..., T, H, K] into [n, ..., H, c, K]; places added at the end hold zeros."""
    *lead, time, heads, width = x.shape
    count, size = _count(time), _size(time)
    x = jnp.pad(x, [*[(0, 0)] * len(lead), (0, count * size - time), (0, 0), (0, 0)])
    x = x.reshape(*lead, count, size, heads, width)
    return jnp.moveaxis(jnp.swapaxes(x, -2, -3), -4, 0)


def _pad_mask(tiling: Tiling, mask: Array) -> Array:
    """Returns the mask with False at places added at the end; an axis of size 1 stays so."""
    added = [
        0 if length == 1 else count * size - length
        for length, count, size in zip(mask.shape[-2:], tiling.counts, tiling.sizes, strict=True)
    ]
    return jnp.pad(mask, [*[(0, 0)] * (mask.ndim - 2), *((0, end) for end in added)])


def _scores(
    tiling: Tiling, mask: Array | None, query: Array, key: Array, row: Index, column: Index
) -> Array:
    """Returns the scores of a tile, [..., H, c, d], -inf where a query may not see a key."""
    height, width = tiling.sizes
    scores = _product("...tk,...sk->...ts", query, key)
    scores = scores * np.asarray(query.shape[-1] ** -0.5, scores.dtype)
    if mask is not None:
        for axis, index, size in ((-2, row, height), (-1, column, width)):
            if mask.shape[axis] != 1:
                mask = lax.dynamic_slice_in_dim(mask, index * size, size, mask.ndim + axis)
        scores = jnp.where(mask, scores, -jnp.inf)
    t = row * height + lax.broadcasted_iota(np.int32, scores.shape, scores.ndim - 2)
    s = column * width + lax.broadcasted_iota(np.int32, scores.shape, scores.ndim - 1)
    if tiling.is_causal:
        scores = jnp.where(s <= t, scores, -jnp.inf)
    if tiling.keys < width * tiling.counts[1]:
        scores = jnp.where(s < tiling.keys, scores, -jnp.inf)
    return scores


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _average(
    tiling: Tiling, mask: Array | None, query: Array, key: Array, value: Array
) -> tuple[Array, Array]:
    """Returns the averages, [n, ..., H, c, V], and log sum exp of scores, [n, ..., H, c, 1]."""

    def visit(carry: Any, tile: Any) -> Any:
        row, column = tile
        mixed, total, largest = (_at(x, row) for x in carry)
        scores = _scores(tiling, mask, _at(query, row), _at(key, column), row, column)
        peak = jnp.maximum(largest, jnp.max(scores, axis=-1, keepdims=True, initial=-jnp.inf))
        weights, decay = jnp.exp(scores - peak), jnp.exp(largest - peak)
        added = _product("...ts,...sv->...tv", weights.astype(value.dtype), _at(value, column))
        total = total * decay + jnp.sum(weights, axis=-1, keepdims=True)
        parts = zip(carry, (mixed * decay + added, total, peak), strict=True)
        return tuple(lax.dynamic_update_index_in_dim(x, y, row, 0) for x, y in parts), None

    mixed, total = _zeros(tiling, mask, query, key, value)
    # the start is finite, so that a query that sees nothing makes no NaN
    start = (mixed, total, jnp.full_like(total, jnp.finfo(total.dtype).min))
    (mixed, total, largest), _ = lax.scan(visit, start, tiling.tiles())
    total = jnp.where(total == 0, jnp.ones((), total.dtype), total)
    return mixed / total, largest + jnp.log(total)


@_average.defjvp
def _average_jvp(tiling: Tiling, primals: Any, tangents: Any) -> Any:
    mask, query, key, value = primals
    y, log_total = _average(tiling, mask, query, key, value)
    # products and sums in the dtype of sums: as fast on CPUs, and half the error of bfloat16
    slopes = tuple(x.astype(y.dtype) for x in tangents[1:])

    # without `checkpoint`, the weights of all tiles would be kept for the transposed function
    @partial(jax.checkpoint, prevent_cse=False)
    def of_tile(row: Index, column: Index, log_total: Array, slopes: Any) -> tuple[Array, Array]:
        of_query, of_key = partial(_at, index=row), partial(_at, index=column)
        q, k, v = (x.astype(y.dtype) for x in (of_query(query), of_key(key), of_key(value)))
        dq, dk, dv = of_query(slopes[0]), of_key(slopes[1]), of_key(slopes[2])
        weights = jnp.exp(_scores(tiling, mask, q, k, row, column) - of_query(log_total))
        slope = _product("...tk,...sk->...ts", dq, k) + _product("...tk,...sk->...ts", q, dk)
        slope = weights * slope * np.asarray(q.shape[-1] ** -0.5, slope.dtype)
        moved = _product("...ts,...sv->...tv", slope, v)
        moved = moved + _product("...ts,...sv->...tv", weights, dv)
        return moved, jnp.sum(slope, axis=-1, keepdims=True)

    def visit(carry: Any, tile: Any) -> Any:
        parts = zip(carry, of_tile(*tile, log_total, slopes), strict=True)
        return tuple(x.at[tile[0]].add(part) for x, part in parts), None

    start = _zeros(tiling, *primals)
    (moved, d_log_total), _ = lax.scan(visit, start, tiling.tiles())
    return (y, log_total), (moved - y * d_log_total, d_log_total)


def _zeros(
    tiling: Tiling, mask: Array | None, query: Array, key: Array, value: Array
) -> tuple[Array, Array]:
    """Returns zeros [n, ..., H, c, V] and [n, ..., H, c, 1], made as empty sums over keys.

    So they lie on the devices of a mesh, and vary over its axes, as the sums over tiles do.
    """
    scores = _scores(tiling, mask, _at(query, 0), _at(key, 0), 0, 0)
    nothing = lax.slice_in_dim(scores, 0, 0, axis=-1)
    no_value = lax.slice_in_dim(_at(value, 0), 0, 0, axis=-2)
    mixed = _product("...ts,...sv->...tv", nothing.astype(value.dtype), no_value)
    total = jnp.sum(nothing, axis=-1, keepdims=True)
    return _repeat(mixed, len(query)), _repeat(total, len(query))


def _repeat(x: Array, count: int) -> Array:
    return jnp.broadcast_to(x, (count, *x.shape))


def _product(axes: str, x: Array, y: Array) -> Array:
    return jnp.einsum(axes, x, y, preferred_element_type=accumulation_dtype(x))


def _at(chunks: Array, index: Index) -> Array:
    return lax.dynamic_index_in_dim(chunks, index, 0, keepdims=False)
