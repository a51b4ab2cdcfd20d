"""The GRU over a sequence.

z, r = split(sigmoid([x, h] W + b)); h' = (1 - z) h + z tanh([x, r h] V + c).
"""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import Array, lax

from benchmarks import sizes as of
from benchmarks.contenders.jax.dense import dense, dense_init
from benchmarks.contenders.jax.model import Params, stateless


def init(sizes: of.Recurrent, keys: Iterator[Array]) -> Params:
    inputs, width = sizes.inputs + sizes.width, sizes.width
    return {
        "gates": dense_init(next(keys), inputs, 2 * width),
        "candidate": dense_init(next(keys), inputs, width),
    }


def apply(sizes: of.Recurrent, params: Params, x: Array) -> Array:
    """Multiplies all inputs by their part of the weights in one product before the loop."""
    weights = jnp.concatenate([params[n]["weight"] for n in ("gates", "candidate")], axis=1)
    bias = jnp.concatenate([params[n]["bias"] for n in ("gates", "candidate")])
    w_input, w_hidden = jnp.split(weights, [sizes.inputs])
    w_gates, w_candidate = jnp.split(w_hidden, [2 * sizes.width], axis=1)

    def body(hidden: Array, inputs: Array) -> tuple[Array, Array]:
        gates, candidate = jnp.split(inputs, [2 * sizes.width], axis=-1)
        z, r = jnp.split(jax.nn.sigmoid(gates + hidden @ w_gates), 2, axis=-1)
        hidden = (1 - z) * hidden + z * jnp.tanh(candidate + (r * hidden) @ w_candidate)
        return hidden, hidden

    start = jnp.zeros((sizes.batch, sizes.width))
    _, y = lax.scan(body, start, jnp.swapaxes(x @ w_input + bias, 0, 1))
    return jnp.swapaxes(y, 0, 1)


def step_cell(sizes: of.Recurrent, params: Params, x: Array) -> Array:
    """Multiplies input and hidden state in each step of the loop."""

    def body(hidden: Array, x: Array) -> tuple[Array, Array]:
        gates = dense(params["gates"], jnp.concatenate([x, hidden], axis=-1))
        z, r = jnp.split(jax.nn.sigmoid(gates), 2, axis=-1)
        candidate = dense(params["candidate"], jnp.concatenate([x, r * hidden], axis=-1))
        hidden = (1 - z) * hidden + z * jnp.tanh(candidate)
        return hidden, hidden

    start = jnp.zeros((sizes.batch, sizes.width))
    _, y = lax.scan(body, start, jnp.swapaxes(x, 0, 1))
    return jnp.swapaxes(y, 0, 1)


GRU = stateless(init, apply)
CELL = stateless(init, step_cell)
