"""The state-space recurrence whose step size, input and output maps depend on the input."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ShapeError, varying_as
from pax.functional.arrays import accumulation_dtype, as_floating, promote
from pax.functional.linear_recurrence import chosen, in_blocks, linear_recurrence, state_or_zeros

#: So many steps are one block. CPU milliseconds of a training step of 2,048 steps, batch 4, E 256,
#: N 16: 217 and 192 in blocks of 16 and 64, 215 in one (39, 43 and 161 MB of temporary memory).
#: The states of a block beforehand, then the recurrence over them, take 468.
_BLOCK = 64


def selective_scan(
    x: ArrayLike,
    delta: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    c: ArrayLike,
    state: ArrayLike | None = None,
    *,
    implementation: str | None = None,
) -> tuple[Float[Array, "B N E"], Float[Array, "B T E"]]:
    """Runs a diagonal state-space model of N numbers for each of E channels.

    h_t = exp(delta_t a) h_{t-1} + delta_t b_t x_t; y_t = sum over N of c_t h_t, with h_{-1} the
    argument `state`. Where delta is 0 the state stays as it is. All states at once are never
    held: memory, that of the gradient too, is about that of E numbers a step.

    Args:
        x: shape [B, T, E].
        delta: step sizes, not negative, shape [B, T, E].
        a: rates, negative, shape [N, E].
        b: shape [B, T, N].
        c: shape [B, T, N].
        state: h before, shape [B, N, E]; zeros by default.
        implementation: "steps", one after the other; "parallel", associative scans over blocks of
            64 steps; None takes steps on CPUs and parallel elsewhere.
    Returns:
        h after the last step, and y, in the dtype `jnp` promotes the other arguments to; h in that
        of the argument `state` if there is one.
    Raises:
        ArgumentError: if implementation is none of these.
        DtypeError: if an argument is not floating.
        ShapeError: if the shapes do not fit together.
    Example:
        >>> one, x = jnp.ones((1, 3, 1)), jnp.array([4.0, 0.0, 1.0]).reshape(1, 3, 1)
        >>> half = jnp.log(jnp.array([[0.5]]))
        >>> state, y = pax.functional.selective_scan(x, one, half, one, one)
        >>> print(y.ravel(), state.ravel())
        [4. 2. 2.] [2.]
    Source: Gu and Dao, "Mamba: linear-time sequence modeling with selective state spaces", 2023
        (arXiv 2312.00752), with its first-order form of the input map.
    """
    name = "selective_scan"
    given = {"x": x, "delta": delta, "a": a, "b": b, "c": c}
    arrays = {key: as_floating(name, key, value) for key, value in given.items()}
    shapes = [array.shape for array in arrays.values()]
    if not _fit(*shapes):
        found = ", ".join(f"{key} {array.shape}" for key, array in arrays.items())
        raise ShapeError(
            f"{name} got {found}; expected x and delta [B, T, E], a [N, E], b and c [B, T, N].",
            "a holds a row for each number of the state, a column for each channel of x.",
        )
    expected = (shapes[0][0], *shapes[2])
    five = promote(*arrays.values())
    state = state_or_zeros(name, state, "[B, N, E]", expected, five[0].dtype)
    return _scan(*five, state, chosen(name, implementation))


def _fit(x: tuple, delta: tuple, a: tuple, b: tuple, c: tuple) -> bool:
    return len(x) == 3 and len(a) == 2 and x == delta and b == c == (*x[:2], a[0]) and a[1] == x[2]


@partial(jax.jit, static_argnums=6, inline=True)
def _scan(
    x: Array, delta: Array, a: Array, b: Array, c: Array, state: Array, implementation: str
) -> tuple[Array, Array]:
    wide = accumulation_dtype(x)
    xs = tuple(v.astype(wide).swapaxes(0, 1) for v in (x, delta, b, c))
    run = _steps if implementation == "steps" or not x.shape[1] else _block
    state_in = varying_as(state.astype(wide), a, xs)
    after, y = in_blocks(partial(run, a.astype(wide)), state_in, xs, _BLOCK)
    return after.astype(state.dtype), y.swapaxes(0, 1).astype(x.dtype)


def _terms(a: Array, x: Array, delta: Array, b: Array) -> tuple[Array, Array]:
    """Returns what remains of the state, and what is added to it, [..., B, N, E]."""
    a = a.reshape(*(1,) * (x.ndim - 1), *a.shape)
    return jnp.exp(delta[..., None, :] * a), (delta * x)[..., None, :] * b[..., None]


def _steps(a: Array, state: Array, xs: tuple[Array, ...]) -> tuple[Array, Array]:
    """Does some steps, xs of shape [T, B, ...]."""

    def step(state: Array, xs: tuple[Array, ...]) -> tuple[Array, Array]:
        x, delta, b, c = xs
        decay, added = _terms(a, x, delta, b)
        state = decay * state + added
        return state, (c[..., None] * state).sum(-2)

    return lax.scan(step, state, xs)


def _block(a: Array, state: Array, xs: tuple[Array, ...]) -> tuple[Array, Array]:
    """Does some steps at once."""
    x, delta, b, c = xs
    states = linear_recurrence(*_terms(a, x, delta, b), state, implementation="parallel")
    return states[-1], (c[..., None] * states).sum(-2)
