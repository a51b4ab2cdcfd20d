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

from pax.functional.attention_options import Extras, Rule
from pax.functional.attention_scores import (
    logits_of,
    query_key_products,
    sums_of_values,
    where_seen,
)
from pax.functional.attention_tiles import Index, Tiling, dropped_of_tile


class Plan(NamedTuple):
    """How queries and keys are cut, and the options that are numbers."""

    tiling: Tiling
    rule: Rule

    def tiles(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns row and column of the tiles to go over: all if positions are arrays."""
        if self.rule.counts_places:
            return self.tiling.tiles(self.rule.is_causal, self.rule.window)
        return self.tiling.tiles(is_causal=False, window=None)


def attend_chunked(query: Array, key: Array, value: Array, extras: Extras, rule: Rule) -> Array:
    """Attends as `dot_product_attention` says; `extras` are as `in_rank` gives them."""
    tiling = Tiling(query.shape[-3], key.shape[-3])
    rows, columns = (
        partial(_cut, count=count, size=size)
        for count, size in zip(tiling.counts, tiling.sizes, strict=True)
    )
    extras = extras.map(partial(_pad, tiling))
    y, _ = _average(Plan(tiling, rule), extras, rows(query), columns(key), columns(value))
    y = jnp.swapaxes(jnp.moveaxis(y, 0, -4), -2, -3)  # [..., n, c, H, V]
    y = y.reshape(*y.shape[:-4], y.shape[-4] * y.shape[-3], *y.shape[-2:])
    return y[..., : tiling.queries, :, :].astype(value.dtype)


def _cut(x: Array, count: int, size: int) -> Array:
    """Cuts [..., T, H, K] into [n, ..., H, c, K]; places added at the end hold zeros."""
    *lead, time, heads, width = x.shape
    x = jnp.pad(x, [*[(0, 0)] * len(lead), (0, count * size - time), (0, 0), (0, 0)])
    x = x.reshape(*lead, count, size, heads, width)
    return jnp.moveaxis(jnp.swapaxes(x, -2, -3), -4, 0)


def _pad(tiling: Tiling, x: Array) -> Array:
    """Returns an array over the scores with places added at the end; axes of size 1 stay so."""
    added = [
        0 if length == 1 else count * size - length
        for length, count, size in zip(x.shape[-2:], tiling.counts, tiling.sizes, strict=True)
    ]
    return jnp.pad(x, [*[(0, 0)] * (x.ndim - 2), *((0, end) for end in added)])


def _part(tiling: Tiling, row: Index, column: Index, x: Array) -> Array:
    """Returns the part of an array over the scores that lies in a tile."""
    for axis, index, size in zip((-2, -1), (row, column), tiling.sizes, strict=True):
        if x.shape[axis] != 1:
            x = lax.dynamic_slice_in_dim(x, index * size, size, x.ndim + axis)
    return x


def _masked(plan: Plan, extras: Extras, logits: Array, column: Index) -> Array:
    """Returns the scores of a tile, -inf where a query may not see a key."""
    logits = where_seen(plan.rule, extras, logits)
    width = plan.tiling.sizes[1]
    if plan.tiling.keys < width * plan.tiling.counts[1]:
        s = column * width + lax.broadcasted_iota(np.int32, logits.shape, logits.ndim - 1)
        logits = jnp.where(s < plan.tiling.keys, logits, -jnp.inf)
    return logits


def _kept(plan: Plan, extras: Extras, row: Index, column: Index, weights: Array) -> Array:
    """Returns the weights of a tile, zero where they are dropped."""
    rate = plan.rule.dropout_rate
    if not rate:
        return weights
    dropped = dropped_of_tile(plan.tiling, rate, extras.rng_key, weights.shape[:-2], row, column)
    return jnp.where(dropped, jnp.zeros((), weights.dtype), weights)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _average(
    plan: Plan, extras: Extras, query: Array, key: Array, value: Array
) -> tuple[Array, Array]:
    """Returns the averages, [n, ..., H, c, V], and log sum exp of scores, [n, ..., H, c, 1]."""

    def visit(carry: Any, tile: Any) -> Any:
        row, column = tile
        mixed, total, largest = (_at(x, row) for x in carry)
        part = extras.map(partial(_part, plan.tiling, row, column))
        products = query_key_products(_at(query, row), _at(key, column))
        scores = _masked(plan, part, logits_of(plan.rule, part, products), column)
        peak = jnp.maximum(largest, jnp.max(scores, axis=-1, keepdims=True, initial=-jnp.inf))
        weights, decay = jnp.exp(scores - peak), jnp.exp(largest - peak)
        total = total * decay + jnp.sum(weights, axis=-1, keepdims=True)
        kept = _kept(plan, extras, row, column, weights)
        added = sums_of_values(kept.astype(value.dtype), _at(value, column))
        parts = zip(carry, (mixed * decay + added, total, peak), strict=True)
        return tuple(lax.dynamic_update_index_in_dim(x, y, row, 0) for x, y in parts), None

    mixed, total = _zeros(plan, extras, query, key, value)
    # the start is finite, so that a query that sees nothing makes no NaN
    largest = jnp.full_like(total, jnp.finfo(total.dtype).min)
    if extras.sinks is not None:
        largest = jnp.maximum(largest, extras.sinks[None])
        total = total + jnp.exp(extras.sinks[None] - largest)
    (mixed, total, largest), _ = lax.scan(visit, (mixed, total, largest), plan.tiles())
    total = jnp.where(total == 0, jnp.ones((), total.dtype), total)
    return mixed / (total * _share(plan, total)), largest + jnp.log(total)


@_average.defjvp
def _average_jvp(plan: Plan, primals: Any, tangents: Any) -> Any:
    extras, query, key, value = primals
    y, log_total = _average(plan, *primals)
    # products and sums in the dtype of sums: as fast on CPUs, and half the error of bfloat16
    of_extras, *of_inputs = tangents
    slopes = (of_extras.floating(), *(x.astype(y.dtype) for x in of_inputs))

    # without `checkpoint`, the weights of all tiles would be kept for the transposed function
    @partial(jax.checkpoint, prevent_cse=False)
    def of_tile(row: Index, column: Index, log_total: Array, slopes: Any) -> tuple[Array, Array]:
        of_query, of_key = partial(_at, index=row), partial(_at, index=column)
        q, k, v = (x.astype(y.dtype) for x in (of_query(query), of_key(key), of_key(value)))
        dq, dk, dv = of_query(slopes[1]), of_key(slopes[2]), of_key(slopes[3])
        part, d_part = (
            x.map(partial(_part, plan.tiling, row, column)) for x in (extras, slopes[0])
        )

        def logits(floating: Extras, q: Array, k: Array) -> Array:
            return logits_of(plan.rule, part.replaced(floating), query_key_products(q, k))

        scores, slope = jax.jvp(logits, (part.floating(), q, k), (d_part, dq, dk))
        weights = jnp.exp(_masked(plan, part, scores, column) - of_query(log_total))
        slope = weights * slope
        kept = partial(_kept, plan, extras, row, column)
        moved = sums_of_values(kept(slope), v) + sums_of_values(kept(weights), dv)
        return moved, jnp.sum(slope, axis=-1, keepdims=True)

    def visit(carry: Any, tile: Any) -> Any:
        parts = zip(carry, of_tile(*tile, log_total, slopes), strict=True)
        return tuple(x.at[tile[0]].add(part) for x, part in parts), None

    moved, d_log_total = _zeros(plan, *primals)
    if extras.sinks is not None:
        weight = jnp.exp(extras.sinks[None] - log_total)
        d_log_total = d_log_total + weight * of_extras.sinks[None]
    (moved, d_log_total), _ = lax.scan(visit, (moved, d_log_total), plan.tiles())
    return (y, log_total), (moved / _share(plan, moved) - y * d_log_total, d_log_total)


def _share(plan: Plan, x: Array) -> np.ndarray:
    """Returns the share of weights that are kept, in the dtype of x."""
    return np.asarray(1 - plan.rule.dropout_rate, x.dtype)


def _zeros(
    plan: Plan, extras: Extras, query: Array, key: Array, value: Array
) -> tuple[Array, Array]:
    """Returns zeros [n, ..., H, c, V] and [n, ..., H, c, 1], made as empty sums over keys.

    So they lie on the devices of a mesh, and vary over its axes, as the sums over tiles do.
    """
    part = extras.map(partial(_part, plan.tiling, 0, 0))
    products = query_key_products(_at(query, 0), _at(key, 0))
    scores = _masked(plan, part, logits_of(plan.rule, part, products), 0)
    nothing = lax.slice_in_dim(_kept(plan, extras, 0, 0, scores), 0, 0, axis=-1)
    no_value = lax.slice_in_dim(_at(value, 0), 0, 0, axis=-2)
    mixed = sums_of_values(nothing.astype(value.dtype), no_value)
    total = jnp.sum(nothing, axis=-1, keepdims=True)
    return _repeat(mixed, len(query)), _repeat(total, len(query))


def _repeat(x: Array, count: int) -> Array:
    return jnp.broadcast_to(x, (count, *x.shape))


def _at(chunks: Array, index: Index) -> Array:
    return lax.dynamic_index_in_dim(chunks, index, 0, keepdims=False)
