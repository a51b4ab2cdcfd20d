"""The MGU cell."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
from pax._core import ParameterModule, arguments, keys_for_parts
from pax.nn import given
from pax.nn.linear import Linear


class MGUState(NamedTuple):
    """State of an `MGU`.

    Args:
        hidden: shape [..., hidden_dim].
    Example:
        >>> pax.MGU(3, 4).initial_state(2).hidden.shape
        (2, 4)
    """

    hidden: Float[Array, "*batch hidden_dim"]


class MGU(ParameterModule):
    """A minimal gated unit: a `GRU` whose two gates are one.

    f = sigmoid([x, h] W + b), with W and b those of `xh_f_fc`;
    h' = (1 - f) h + f tanh([x, f h] V + c), with V and c those of `xh_h_fc`. The output is h'.

    Args:
        input_dim: size of the last axis of the input.
        hidden_dim: size of the state and of the output.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer.
    Example:
        >>> mgu = pax.MGU(3, 4)
        >>> state, y = mgu(mgu.initial_state(2), jnp.ones((2, 3)))
        >>> y.shape
        (2, 4)
    Source: Zhou et al., "Minimal gated unit for recurrent neural networks", 2016
        (arXiv 1603.09420).
    """

    xh_f_fc: Linear
    xh_h_fc: Linear
    #: See `RNN`.
    input_layers = ("xh_f_fc", "xh_h_fc")

    def __init__(
        self, input_dim: int, hidden_dim: int, *, rng_key: Any = None, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("MGU", input_dim=input_dim, hidden_dim=hidden_dim)
        self.input_dim = input_dim
        self.hidden_dim = hidden_dim
        f_key, h_key = keys_for_parts(rng_key, 2)
        self.xh_f_fc = Linear(input_dim + hidden_dim, hidden_dim, rng_key=f_key)
        self.xh_h_fc = Linear(input_dim + hidden_dim, hidden_dim, rng_key=h_key)

    def initial_state(self, batch_size: int) -> MGUState:
        """Returns a state of zeros.

        Args:
            batch_size: B.
        Returns:
            `hidden` of shape [B, hidden_dim], dtype of the weights.
        Raises:
            ArgumentError: if batch_size is not an integer of at least 0.
        """
        arguments.integer("MGU.initial_state", "batch_size", batch_size, at_least=0)
        return MGUState(jnp.zeros((batch_size, self.hidden_dim), given.weight_dtype(self.xh_h_fc)))

    def __call__(
        self, state: MGUState, x: Float[ArrayLike, "*batch input_dim"]
    ) -> tuple[MGUState, Float[Array, "*batch {self.hidden_dim}"]]:
        """Does one step.

        Args:
            state: the state before, `hidden` of shape [..., hidden_dim].
            x: input, shape [..., input_dim].
        Returns:
            The state after, in the dtypes of the state before, and the output, shape
            [..., hidden_dim], its `hidden`.
        Raises:
            CallError: if state is not an MGUState.
            DtypeError: if x or the state is not floating.
            ShapeError: if shapes do not fit.
        """
        x = given.step_input(self, x, self.input_dim)
        hidden = given.state(self, state, MGUState, x, self.hidden_dim).hidden
        gate = jax.nn.sigmoid(self.xh_f_fc(jnp.concatenate([x, hidden], axis=-1)))
        candidate = self.xh_h_fc(jnp.concatenate([x, gate * hidden], axis=-1))
        hidden = F.gru_step(hidden, gate, candidate).astype(hidden.dtype)
        return MGUState(hidden), hidden

    def __repr__(self) -> str:
        return self._repr({"input_dim": self.input_dim, "hidden_dim": self.hidden_dim})
