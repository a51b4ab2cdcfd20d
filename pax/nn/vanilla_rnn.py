"""The plain recurrent cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from pax._core import ArgumentError, ParameterModule, arguments
from pax.nn import given
from pax.nn.linear import Linear


class VanillaRNNState(NamedTuple):
    """State of a `VanillaRNN`.

    Args:
        hidden: shape [..., hidden_dim].
    Example:
        >>> pax.VanillaRNN(3, 4).initial_state(2).hidden.shape
        (2, 4)
    """

    hidden: Float[Array, "*batch hidden_dim"]


class VanillaRNN(ParameterModule):
    """A recurrent cell with one dense layer.

    h' = tanh([x, h] W + b), with W and b those of `fc`; the output is h'. Another activation may
    stand for tanh.

    Args:
        input_dim: size of the last axis of the input.
        hidden_dim: size of the state and of the output.
        activation: what goes over the dense layer: a function of an array; tanh by default.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or activation cannot be called.
    Example:
        >>> rnn = pax.VanillaRNN(3, 4)
        >>> state, y = rnn(rnn.initial_state(2), jnp.ones((2, 3)))
        >>> y.shape
        (2, 4)
    Source: Elman, "Finding structure in time", 1990.
    """

    fc: Linear
    #: See `RNN`.
    input_layers = ("fc",)

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        *,
        activation: Callable[[Any], Any] | None = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("VanillaRNN", input_dim=input_dim, hidden_dim=hidden_dim)
        if activation is not None and not callable(activation):
            raise ArgumentError(
                f"VanillaRNN got activation of type {type(activation).__name__}, which cannot be "
                "called.",
                "pass a function of an array: activation=jax.nn.relu.",
            )
        self.activation = activation or jnp.tanh
        self.input_dim = input_dim
        self.hidden_dim = hidden_dim
        self.fc = Linear(input_dim + hidden_dim, hidden_dim, rng_key=rng_key)

    def initial_state(self, batch_size: int) -> VanillaRNNState:
        """Returns a state of zeros.

        Args:
            batch_size: B.
        Returns:
            `hidden` of shape [B, hidden_dim], dtype of the weights.
        Raises:
            ArgumentError: if batch_size is not an integer of at least 0.
        """
        arguments.integer("VanillaRNN.initial_state", "batch_size", batch_size, at_least=0)
        return VanillaRNNState(
            jnp.zeros((batch_size, self.hidden_dim), given.weight_dtype(self.fc))
        )

    def __call__(
        self, state: VanillaRNNState, x: Float[ArrayLike, "*batch input_dim"]
    ) -> tuple[VanillaRNNState, Float[Array, "*batch {self.hidden_dim}"]]:
        """Does one step.

        Args:
            state: the state before, `hidden` of shape [..., hidden_dim].
            x: input, shape [..., input_dim].
        Returns:
            The state after, in the dtypes of the state before, and the output, shape
            [..., hidden_dim], its `hidden`.
        Raises:
            CallError: if state is not a VanillaRNNState.
            DtypeError: if x or the state is not floating.
            ShapeError: if shapes do not fit.
        """
        x = given.step_input(self, x, self.input_dim)
        hidden = given.state(self, state, VanillaRNNState, x, self.hidden_dim).hidden
        gates = self.fc(jnp.concatenate([x, hidden], axis=-1))
        hidden = self.activation(gates).astype(hidden.dtype)
        return VanillaRNNState(hidden), hidden

    def __repr__(self) -> str:
        is_tanh = self.activation is jnp.tanh
        name = getattr(self.activation, "__name__", repr(self.activation))
        return self._repr(
            {
                "input_dim": self.input_dim,
                "hidden_dim": self.hidden_dim,
                "activation": None if is_tanh else name,
            }
        )
