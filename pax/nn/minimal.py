"""The minimal GRU and LSTM, whose gates see the input alone."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pax._core import accumulation_dtype, arguments
from pax.nn import given
from pax.nn.linear import Linear
from pax.nn.linear_cell import LinearCell


class MinGRU(LinearCell):
    """A GRU whose gate and candidate do not see the state, so that `RNN` does all steps at once.

    z, c = split(x W + b); h' = (1 - sigmoid(z)) h + sigmoid(z) c, with W and b those of `fc`. The
    state is h, an array, zero at first; the output is h'.

    The form of the paper without its restriction to positive candidates, which is there for a
    scan over logarithms; here none are taken.

    Args:
        input_dim: size of the last axis of the input.
        hidden_dim: size of the state and of the output.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer.
    Example:
        >>> state, y = pax.RNN(pax.MinGRU(3, 4))(jnp.ones((2, 5, 3)))
        >>> y.shape, state.shape
        ((2, 5, 4), (2, 4))
    Source: Feng et al., "Were RNNs all we needed?", 2024 (arXiv 2410.01201).
    """

    fc: Linear

    def __init__(
        self, input_dim: int, hidden_dim: int, *, rng_key: Any = None, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("MinGRU", input_dim=input_dim, hidden_dim=hidden_dim)
        self.input_dim = input_dim
        self.hidden_dim = self.state_size = hidden_dim
        self.fc = Linear(input_dim, 2 * hidden_dim, rng_key=rng_key)

    def _state_dtype(self) -> jnp.dtype:
        return given.weight_dtype(self.fc)

    def _terms(self, x: Array) -> tuple[Array, Array]:
        gates = self.fc(x)
        z, candidate = jnp.split(gates.astype(accumulation_dtype(gates)), 2, axis=-1)
        return jax.nn.sigmoid(-z), jax.nn.sigmoid(z) * candidate

    def __repr__(self) -> str:
        return self._repr({"input_dim": self.input_dim, "hidden_dim": self.hidden_dim})


class MinLSTM(LinearCell):
    """An LSTM whose gates and candidate do not see the state, so that `RNN` does all steps at once.

    f, i, c = split(x W + b); h' = (sigmoid(f) h + sigmoid(i) c) / (sigmoid(f) + sigmoid(i)), with W
    and b those of `fc`. The state is h, an array, zero at first; the output is h'.

    The form of the paper whose gates sum to 1, without its restriction to positive candidates,
    which is there for a scan over logarithms; here none are taken.

    Args:
        input_dim: size of the last axis of the input.
        hidden_dim: size of the state and of the output.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer.
    Example:
        >>> state, y = pax.RNN(pax.MinLSTM(3, 4))(jnp.ones((2, 5, 3)))
        >>> y.shape, state.shape
        ((2, 5, 4), (2, 4))
    Source: Feng et al., "Were RNNs all we needed?", 2024 (arXiv 2410.01201).
    """

    fc: Linear

    def __init__(
        self, input_dim: int, hidden_dim: int, *, rng_key: Any = None, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("MinLSTM", input_dim=input_dim, hidden_dim=hidden_dim)
        self.input_dim = input_dim
        self.hidden_dim = self.state_size = hidden_dim
        self.fc = Linear(input_dim, 3 * hidden_dim, rng_key=rng_key)

    def _state_dtype(self) -> jnp.dtype:
        return given.weight_dtype(self.fc)

    def _terms(self, x: Array) -> tuple[Array, Array]:
        gates = self.fc(x)
        f, i, candidate = jnp.split(gates.astype(accumulation_dtype(gates)), 3, axis=-1)
        # sigmoid(f) / (sigmoid(f) + sigmoid(i)), also where both are next to 0
        forget = jax.nn.log_sigmoid(f) - jax.nn.log_sigmoid(i)
        return jax.nn.sigmoid(forget), jax.nn.sigmoid(-forget) * candidate

    def __repr__(self) -> str:
        return self._repr({"input_dim": self.input_dim, "hidden_dim": self.hidden_dim})
