"""The LSTM cell."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
from pax._core import ParameterModule, arguments
from pax.nn import given
from pax.nn.linear import Linear


class LSTMState(NamedTuple):
    """State of an `LSTM`.

    Args:
        hidden: shape [..., hidden_dim].
        cell: shape [..., hidden_dim].
    Example:
        >>> pax.LSTM(3, 4).initial_state(2).cell.shape
        (2, 4)
    """

    hidden: Float[Array, "*batch hidden_dim"]
    cell: Float[Array, "*batch hidden_dim"]


class LSTM(ParameterModule):
    """A long short-term memory cell.

    i, g, f, o = split([x, h] W + b), with W and b those of `fc`;
    c' = sigmoid(f + forget_gate_bias) c + sigmoid(i) tanh(g); h' = sigmoid(o) tanh(c').
    The output is h'.

    Args:
        input_dim: size of the last axis of the input.
        hidden_dim: size of the state and of the output.
        w_init: draws W as `w_init(rng_key, shape)`; by default with variance 1 / fan_in.
        forget_gate_bias: added before the sigmoid of the forget gate; more of it forgets less.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or w_init cannot be called.
    Example:
        >>> lstm = pax.LSTM(3, 4)
        >>> state, y = lstm(lstm.initial_state(2), jnp.ones((2, 3)))
        >>> y.shape
        (2, 4)
    Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997.
    """

    fc: Linear
    #: See `RNN`.
    input_layers = ("fc",)

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        w_init: arguments.Initializer | None = None,
        forget_gate_bias: float = 0.0,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("LSTM", input_dim=input_dim, hidden_dim=hidden_dim)
        arguments.initializer("LSTM", "w_init", w_init)
        self.input_dim = input_dim
        self.hidden_dim = hidden_dim
        self.forget_gate_bias = arguments.number("LSTM", "forget_gate_bias", forget_gate_bias)
        self.fc = Linear(input_dim + hidden_dim, 4 * hidden_dim, w_init=w_init, rng_key=rng_key)

    def initial_state(self, batch_size: int) -> LSTMState:
        """Returns a state of zeros.

        Args:
            batch_size: B.
        Returns:
            `hidden` and `cell` of shape [B, hidden_dim], dtype of the weights.
        Raises:
            ArgumentError: if batch_size is not an integer of at least 0.
        """
        arguments.integer("LSTM.initial_state", "batch_size", batch_size, at_least=0)
        shape, dtype = (batch_size, self.hidden_dim), self.fc.weight.dtype
        return LSTMState(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def __call__(
        self, state: LSTMState, x: Float[ArrayLike, "*batch input_dim"]
    ) -> tuple[LSTMState, Float[Array, "*batch {self.hidden_dim}"]]:
        """Does one step.

        Args:
            state: the state before, `hidden` and `cell` of shape [..., hidden_dim].
            x: input, shape [..., input_dim].
        Returns:
            The state after, in the dtypes of the state before, and the output, shape
            [..., hidden_dim], its `hidden`.
        Raises:
            CallError: if state is not an LSTMState.
            DtypeError: if x or the state is not floating.
            ShapeError: if shapes do not fit.
        """
        x = given.step_input(self, x, self.input_dim)
        state = given.state(self, state, LSTMState, x, self.hidden_dim)
        gates = self.fc(jnp.concatenate([x, state.hidden], axis=-1))
        hidden, cell = F.lstm_step(gates, state.cell, self.forget_gate_bias)
        hidden = hidden.astype(state.hidden.dtype)
        return LSTMState(hidden, cell.astype(state.cell.dtype)), hidden

    def __repr__(self) -> str:
        return self._repr({"input_dim": self.input_dim, "hidden_dim": self.hidden_dim})
