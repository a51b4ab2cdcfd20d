"""What recurrent cells do with their gates."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def vanilla_rnn_step(gates: Float[Array, "*B H"]) -> Float[Array, "*B H"]:
    """Returns the next state of a plain recurrent cell, tanh(gates).

    Args:
        gates: [x, h] W + b, shape [..., H].
    Returns:
        Shape [..., H].
    """
    return jnp.tanh(gates)


def lstm_step(
    gates: Float[Array, "*B 4*H"], cell: Float[Array, "*B H"], forget_gate_bias: float = 0.0
) -> tuple[Float[Array, "*B H"], Float[Array, "*B H"]]:
    """Returns the next hidden and cell state of an LSTM.

    i, g, f, o = split(gates); c' = sigmoid(f + forget_gate_bias) c + sigmoid(i) tanh(g);
    h' = sigmoid(o) tanh(c').

    Args:
        gates: [x, h] W + b, shape [..., 4 H].
        cell: c, shape [..., H].
        forget_gate_bias: added before the sigmoid of the forget gate.
    Returns:
        h' and c', each of shape [..., H].
    """
    i, g, f, o = jnp.split(gates, 4, axis=-1)
    cell = jax.nn.sigmoid(f + forget_gate_bias) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(cell), cell


def gru_gates(
    gates: Float[Array, "*B 2*H"],
) -> tuple[Float[Array, "*B H"], Float[Array, "*B H"]]:
    """Returns the update and reset gates of a GRU, sigmoid(split(gates)).

    Args:
        gates: [x, h] W + b, shape [..., 2 H].
    Returns:
        z and r, each of shape [..., H].
    """
    z, r = jnp.split(jax.nn.sigmoid(gates), 2, axis=-1)
    return z, r


def gru_step(
    hidden: Float[Array, "*B H"], update: Float[Array, "*B H"], candidate: Float[Array, "*B H"]
) -> Float[Array, "*B H"]:
    """Returns the next state of a GRU.

    h' = (1 - z) h + z tanh(candidate).

    Args:
        hidden: h, shape [..., H].
        update: z, shape [..., H].
        candidate: [x, r h] V + c, shape [..., H].
    Returns:
        h', shape [..., H].
    """
    return (1 - update) * hidden + update * jnp.tanh(candidate)
