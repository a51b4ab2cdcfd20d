"""Batches of sequences of unequal lengths or of several episodes: which steps count in each row."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pax._core import ArgumentError, DtypeError, Module, ShapeError, forms, known
from pax.nn import given


class Marks(NamedTuple):
    """What holds of each step in each row, shapes [T, B]; None where it holds of all or none.

    Args:
        inside: whether it is a step of the sequence, none of the padding.
        fresh: whether the cell starts anew before it.
    """

    inside: Array | None
    fresh: Array | None


def checked_lengths(module: Module, lengths: Any, batch: int, steps: int) -> Array | None:
    """Returns lengths as an array [B]; raises if they are not, or cannot be right."""
    if lengths is None:
        return None
    array = given.array(module, lengths, "lengths")
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise DtypeError(
            f"{module!r} got lengths of dtype {array.dtype}; expected integers.",
            "count the steps of each row: lengths = mask.sum(axis=1).",
        )
    if array.shape != (batch,):
        raise ShapeError(
            f"{module!r} got lengths of shape {array.shape} with a batch of {batch}; expected "
            f"({batch},).",
            "give one number for each row of the batch.",
        )
    values = known(lengths)
    if values is not None:
        _check_values(module, values, steps)
    return array if array.dtype.itemsize >= 4 else array.astype(jnp.int32)  # as many as steps


def _check_values(module: Module, lengths: np.ndarray, steps: int) -> None:
    wrong = np.flatnonzero((lengths < 1) | (lengths > steps))
    if wrong.size:
        row = wrong[0]
        raise ArgumentError(
            f"{module!r} got lengths[{row}]={lengths[row]} with {steps} steps; expected 1 to "
            f"{steps}.",
            "leave empty rows out, or give them length 1 and leave their output out."
            if lengths[row] < 1
            else "count the steps before the padding; none can be beyond the input.",
        )


def checked_resets(module: Module, resets: Any, shape: tuple[int, ...]) -> Array | None:
    """Returns resets as an array of truth values; raises if they have another dtype or shape."""
    if resets is None:
        return None
    resets = given.array(module, resets, "resets")
    if resets.dtype != jnp.bool_:
        raise DtypeError(
            f"{module!r} got resets of dtype {resets.dtype}; expected truth values.",
            "True says that an episode begins at the step: resets = resets != 0.",
        )
    if resets.shape != shape:
        raise ShapeError(
            f"{module!r} got resets of shape {resets.shape}; expected {shape}, one for each step "
            "of each row.",
            "give them the first two axes of the input.",
        )
    return resets


def check_rows(module: Module, state: Any, batch: int) -> None:
    """Raises unless each array of the state has a row for each of the batch."""
    for x in jax.tree.leaves(state):
        if jnp.shape(x)[:1] != (batch,):
            raise ShapeError(
                f"{module!r} got lengths or resets and a state {forms(state)}; expected arrays "
                f"with {batch} rows, one for each of the batch.",
                "let initial_state of the cell return such arrays, a count as jnp.zeros(B, int).",
            )


def marks(x: Array, lengths: Array | None, resets: Array | None, reverse: bool) -> Marks:
    """Returns the marks of x, [T, B, ...]; backwards an episode starts at its last step."""
    inside = None
    if lengths is not None:
        inside = jnp.arange(x.shape[0], dtype=lengths.dtype)[:, None] < lengths[None]
    if resets is None:
        return Marks(inside, None)
    fresh = resets if inside is None else resets & inside
    if reverse:
        fresh = jnp.concatenate([fresh[1:], jnp.zeros_like(fresh[:1])])
    return Marks(inside, fresh)


def choose(mark: Array, chosen: Any, other: Any) -> Any:
    """Returns the rows of one tree where the mark holds, and those of another elsewhere."""

    def of_leaf(a: Array, b: Array) -> Array:
        return jnp.where(mark.reshape(*mark.shape, *(1,) * (a.ndim - mark.ndim)), a, b)

    return jax.tree.map(of_leaf, chosen, other)


def initial_state(cell: Any, state: Any, batch: int) -> Any:
    """Returns what an episode begins with, in the dtypes of the state; raises if it is unlike."""
    initial = cell.initial_state(batch)
    shapes = [jax.tree.map(jnp.shape, tree) for tree in (initial, state)]
    if shapes[0] != shapes[1]:
        raise ShapeError(
            f"{cell!r} got resets and a state {forms(state)}, but its initial_state({batch}) is "
            f"{forms(initial)}; expected one shape.",
            "resets need the state that initial_state gives; call it on one batch axis.",
        )
    return jax.tree.map(lambda x, like: jnp.asarray(x, like.dtype), initial, state)


def finished(cell: Any, state: Any, ys: Any, inside: Array, lengths: Array) -> tuple[Any, Any]:
    """Returns the state, and outputs that are zero in the padding.

    Rows of a length that cannot be right, which only compiled programs may find, are NaN.
    """
    for y in jax.tree.leaves(ys):
        if y.shape[:2] != inside.shape:
            raise ShapeError(
                f"{cell!r} got lengths and returned an output of shape {y.shape[1:]} from a step; "
                f"expected ({inside.shape[1]}, ...), a row for each of the batch.",
                "return outputs of the shape [B, ...].",
            )
    ys = choose(inside, ys, jax.tree.map(jnp.zeros_like, ys))
    wrong = (lengths < 1) | (lengths > inside.shape[0])

    def spoilt(mark: Array, x: Array) -> Array:
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            return x
        return choose(mark, jnp.full_like(x, jnp.nan), x)

    everywhere = jnp.broadcast_to(wrong, inside.shape)
    ys = jax.tree.map(lambda y: spoilt(everywhere, y), ys)
    return jax.tree.map(lambda x: spoilt(wrong, x), state), ys
