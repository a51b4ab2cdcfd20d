"""Cells in a loop over time, as the documentation of the cells writes it.

The cells multiply input and hidden state apart, in each step. The GRU resets the state after its
product and has one more bias: the shapes of all products are the same as elsewhere, its values are
not.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from benchmarks import sizes as of


class LSTM(eqx.Module):
    """Gives the hidden state after each step."""

    cell: eqx.nn.LSTMCell

    def __init__(self, sizes: of.Recurrent, key: Array) -> None:
        self.cell = eqx.nn.LSTMCell(sizes.inputs, sizes.width, key=key)

    def __call__(self, x: Array) -> Array:
        def body(state: tuple[Array, Array], x: Array) -> tuple[tuple[Array, Array], Array]:
            state = self.cell(x, state)
            return state, state[0]

        zeros = jnp.zeros(self.cell.hidden_size)
        return jax.lax.scan(body, (zeros, zeros), x)[1]


class GRU(eqx.Module):
    """Gives the hidden state after each step."""

    cell: eqx.nn.GRUCell

    def __init__(self, sizes: of.Recurrent, key: Array) -> None:
        self.cell = eqx.nn.GRUCell(sizes.inputs, sizes.width, key=key)

    def __call__(self, x: Array) -> Array:
        def body(hidden: Array, x: Array) -> tuple[Array, Array]:
            hidden = self.cell(x, hidden)
            return hidden, hidden

        return jax.lax.scan(body, jnp.zeros(self.cell.hidden_size), x)[1]
