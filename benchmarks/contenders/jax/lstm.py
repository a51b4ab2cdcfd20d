"""The LSTM over a sequence.

i, g, f, o = split(x W + h U + b); c' = sigmoid(f) c + sigmoid(i) tanh(g); h' = sigmoid(o) tanh(c').
"""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import Array, lax

from benchmarks import sizes as of
from benchmarks.contenders.jax.dense import dense, dense_init
from benchmarks.contenders.jax.model import Params, stateless

Carry = tuple[Array, Array]


def init(sizes: of.Recurrent, keys: Iterator[Array]) -> Params:
    return {"cell": dense_init(next(keys), sizes.inputs + sizes.width, 4 * sizes.width)}


def zeros(sizes: of.Recurrent) -> Carry:
    return (jnp.zeros((sizes.batch, sizes.width)),) * 2


def update(cell: Array, gates: Array) -> tuple[Carry, Array]:
    i, g, f, o = jnp.split(gates, 4, axis=-1)
    cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
    return (hidden, cell), hidden


def apply(sizes: of.Recurrent, params: Params, x: Array) -> Array:
    """Multiplies all inputs by W in one product before the loop."""
    w_input, w_hidden = jnp.split(params["cell"]["weight"], [sizes.inputs])
    inputs = x @ w_input + params["cell"]["bias"]

    def body(carry: Carry, inputs: Array) -> tuple[Carry, Array]:
        hidden, cell = carry
        return update(cell, inputs + hidden @ w_hidden)

    _, y = lax.scan(body, zeros(sizes), jnp.swapaxes(inputs, 0, 1))
    return jnp.swapaxes(y, 0, 1)


def step_cell(sizes: of.Recurrent, params: Params, x: Array) -> Array:
    """Multiplies input and hidden state in each step of the loop."""

    def body(carry: Carry, x: Array) -> tuple[Carry, Array]:
        hidden, cell = carry
        return update(cell, dense(params["cell"], jnp.concatenate([x, hidden], axis=-1)))

    _, y = lax.scan(body, zeros(sizes), jnp.swapaxes(x, 0, 1))
    return jnp.swapaxes(y, 0, 1)


LSTM = stateless(init, apply)
CELL = stateless(init, step_cell)
