"""Recurrences that are linear in the state."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Inexact

from pax._core import ArgumentError, DtypeError, ShapeError, arguments, varying_as
from pax.functional.arrays import accumulation_dtype, as_array, as_floating, promote

IMPLEMENTATIONS = ("steps", "parallel")

# One step after the other wins on a CPU: it reads and writes each number once, where the parallel
# form does so at each level of its tree. Two cores, float32, milliseconds forward and with the
# gradient, steps against parallel: 256 steps of 8 x 128 numbers 0.08 and 0.4 against 0.4 and 1.6;
# 2,048 steps of them 1.0 and 6.7 against 6.8 and 43; 2,048 steps of 1 x 64 0.12 and 0.44 against
# 0.23 and 0.85. Chunks of sqrt(T) steps, each relative to its start, lie in between; unrolled steps
# take longer too.


def linear_recurrence(
    decay: ArrayLike,
    x: ArrayLike,
    state: ArrayLike | None = None,
    *,
    axis: int = 0,
    implementation: str | None = None,
) -> Inexact[Array, "..."]:
    """Runs a recurrence in which each number of the state decays by itself.

    h_t = decay_t h_{t-1} + x_t, with h_{-1} the argument `state`. Nothing is divided by products
    of decays, so these may be as small as they like, and 0 starts anew.

    Args:
        decay: what remains of the state, broadcastable to x; real or complex.
        x: what is added, any shape with an axis of time; real or complex.
        state: the state before, the shape of x without the axis of time; zeros by default.
        axis: the axis of time.
        implementation: "steps", one after the other; "parallel", an associative scan, about
            log2(T) steps over all times at once; None takes steps on CPUs, where they are two to
            eight times as fast, and parallel elsewhere.
    Returns:
        All states h_t, the shape of x, in the dtype `jnp` promotes the arguments to.
    Raises:
        ArgumentError: if axis is no axis of x, or implementation is none of these.
        DtypeError: if an argument is neither floating nor complex.
        ShapeError: if the shapes do not fit together.
    Example:
        >>> pax.functional.linear_recurrence(jnp.array([0.5, 0.5, 0.0]), jnp.array([4.0, 0.0, 1.0]))
        Array([4., 2., 1.], dtype=float32)
    Source: Blelloch, "Prefix sums and their applications", 1990.
    """
    decay, x = (_inexact(name, value) for name, value in (("decay", decay), ("x", x)))
    if not arguments.is_int(axis) or not -x.ndim <= axis < x.ndim:
        raise ArgumentError(
            f"linear_recurrence got axis={axis!r} and x of shape {x.shape}; expected one of its "
            "axes.",
            "name the axis of time: axis=0 for [T, ...], axis=1 for [B, T, ...].",
        )
    rest = tuple(np.delete(x.shape, axis).tolist())
    state = jnp.zeros(rest, x.dtype) if state is None else _inexact("state", state)
    if not _fits(decay.shape, x.shape) or state.shape != rest:
        raise ShapeError(
            f"linear_recurrence got decay {decay.shape}, x {x.shape}, state {state.shape}; "
            f"expected {x.shape}, {x.shape}, {rest}.",
            "give the decay the shape of x, or axes of size 1, and the state that of one step.",
        )
    return _run(decay, x, state, int(axis), chosen("linear_recurrence", implementation))


def state_or_zeros(
    function: str, state: ArrayLike | None, axes: str, shape: tuple[int, ...], dtype: np.dtype
) -> Array:
    """Returns the state before the first step, zeros if None; raises if it has another shape."""
    state = jnp.zeros(shape, dtype) if state is None else state
    state = as_floating(function, "state", state)
    if state.shape != shape:
        raise ShapeError(
            f"{function} got state {state.shape}; expected {axes}, {shape}.",
            "pass the state that the call before returned, or None.",
        )
    return state


def chosen(function: str, implementation: str | None) -> str:
    """Returns the implementation that is taken."""
    if implementation is None:
        return "steps" if jax.default_backend() == "cpu" else "parallel"
    arguments.one_of(function, "implementation", implementation, IMPLEMENTATIONS)
    return implementation


def in_blocks(run: Callable[[Any, Any], tuple[Any, Any]], state: Any, xs: Any, size: int) -> Any:
    """Runs `state, ys = run(state, xs)` on so many steps at a time.

    For the backward pass only the state before each block is kept; a block is computed again.
    """
    steps = jax.tree.leaves(xs)[0].shape[0]
    if steps <= size:
        return run(state, xs)
    whole = steps // size * size
    blocks = jax.tree.map(lambda x: x[:whole].reshape(-1, size, *x.shape[1:]), xs)
    # a scan cannot undo the recomputation by merging equal parts, so nothing prevents it
    state, ys = lax.scan(jax.checkpoint(run, prevent_cse=False), state, blocks)
    ys = jax.tree.map(lambda y: y.reshape(whole, *y.shape[2:]), ys)
    if whole == steps:
        return state, ys
    state, last = run(state, jax.tree.map(lambda x: x[whole:], xs))
    return state, jax.tree.map(lambda *parts: jnp.concatenate(parts), ys, last)


@partial(jax.jit, static_argnums=(3, 4), inline=True)  # one dispatch where called eagerly
def _run(decay: Array, x: Array, state: Array, axis: int, implementation: str) -> Array:
    decay, x, state = promote(decay, x, state)
    state = varying_as(state, decay, x)
    decay, x = (jnp.moveaxis(a, axis, 0) for a in (jnp.broadcast_to(decay, x.shape), x))
    run = _steps if implementation == "steps" or not len(x) else _parallel
    return jnp.moveaxis(run(decay, x, state), 0, axis)


def _steps(decay: Array, x: Array, state: Array) -> Array:
    narrow, wide = x.dtype, _wide(x)

    def step(state: Array, given: tuple[Array, Array]) -> tuple[Array, Array]:
        decay, x = (a.astype(wide) for a in given)
        state = decay * state + x
        return state, state.astype(narrow)

    return lax.scan(step, state.astype(wide), (decay, x))[1]


def _parallel(decay: Array, x: Array, state: Array) -> Array:
    narrow, wide = x.dtype, _wide(x)
    decay, x, state = (a.astype(wide) for a in (decay, x, state))
    x = x.at[0].add(decay[0] * state)

    def join(first: tuple[Array, Array], then: tuple[Array, Array]) -> tuple[Array, Array]:
        return first[0] * then[0], then[0] * first[1] + then[1]

    return lax.associative_scan(join, (decay, x))[1].astype(narrow)


def _wide(x: Array) -> np.dtype:
    return x.dtype if jnp.iscomplexobj(x) else accumulation_dtype(x)


def _inexact(argument: str, value: object) -> Array:
    """Returns an argument as an array; raises unless it is floating or complex."""
    array = as_array("linear_recurrence", argument, value)
    if not jnp.issubdtype(array.dtype, jnp.inexact):
        raise DtypeError(
            f"linear_recurrence got {argument} of dtype {array.dtype}; expected a floating or "
            "complex dtype.",
            f"convert it first, e.g. {argument}.astype(jnp.float32).",
        )
    return array


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Returns whether an array of one shape can be broadcast to the other."""
    ends = zip(shape[::-1], wanted[::-1], strict=False)
    return len(shape) <= len(wanted) and all(a in (1, b) for a, b in ends)
