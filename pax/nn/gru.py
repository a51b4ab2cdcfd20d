"""The GRU cell."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
from pax._core import ParameterModule, arguments, keys_for_parts
from pax.nn import given
from pax.nn.linear import Linear


class GRUState(NamedTuple):
    """State of a `GRU`.

    Args:
        hidden: shape [..., hidden_dim].
    Example:
        >>> pax.GRU(3, 4).initial_state(2).hidden.shape
        (2, 4)
    """

    hidden: Float[Array, "*batch hidden_dim"]


class GRU(ParameterModule):
    """A gated recurrent unit, fully gated.

    z, r = split(sigmoid([x, h] W + b)), with W and b those of `xh_zr_fc`;
    h' = (1 - z) h + z tanh([x, r h] V + c), with V and c those of `xh_h_fc`. The output is h'.

    With reset_after, the gate r multiplies the product with the state, not the state:
    z, r = split(sigmoid(a + u)), h' = (1 - z) h + z tanh(a' + r u'), where [a, a'] and [u, u'] are
    `x_fc(x)` and `h_fc(h)`, split after the two gates; it has no other layers. This is the form of
    torch and cuDNN, whose z is 1 - z here.

    Args:
        input_dim: size of the last axis of the input.
        hidden_dim: size of the state and of the output.
        reset_after: whether the reset gate comes after the product with the state.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer.
    Example:
        >>> gru = pax.GRU(3, 4)
        >>> state, y = gru(gru.initial_state(2), jnp.ones((2, 3)))
        >>> y.shape
        (2, 4)
    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder for
        statistical machine translation", 2014 (arXiv 1406.1078).
    """

    xh_zr_fc: Any  # a Linear layer, as the others, or None
    xh_h_fc: Any
    x_fc: Any
    h_fc: Any
    #: See `RNN`.
    input_layers = ("xh_zr_fc", "xh_h_fc", "x_fc")
    state_layers = ("h_fc",)

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        *,
        reset_after: bool = False,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("GRU", input_dim=input_dim, hidden_dim=hidden_dim)
        arguments.flags("GRU", reset_after=reset_after)
        self.input_dim = input_dim
        self.hidden_dim = hidden_dim
        self.reset_after = reset_after
        self.xh_zr_fc = self.xh_h_fc = self.x_fc = self.h_fc = None
        first, second = keys_for_parts(rng_key, 2)
        if reset_after:
            self.x_fc = Linear(input_dim, 3 * hidden_dim, rng_key=first)
            self.h_fc = Linear(hidden_dim, 3 * hidden_dim, rng_key=second)
        else:
            self.xh_zr_fc = Linear(input_dim + hidden_dim, 2 * hidden_dim, rng_key=first)
            self.xh_h_fc = Linear(input_dim + hidden_dim, hidden_dim, rng_key=second)

    def initial_state(self, batch_size: int) -> GRUState:
        """Returns a state of zeros.

        Args:
            batch_size: B.
        Returns:
            `hidden` of shape [B, hidden_dim], dtype of the weights.
        Raises:
            ArgumentError: if batch_size is not an integer of at least 0.
        """
        arguments.integer("GRU.initial_state", "batch_size", batch_size, at_least=0)
        layer = self.h_fc if self.reset_after else self.xh_h_fc
        return GRUState(jnp.zeros((batch_size, self.hidden_dim), given.weight_dtype(layer)))

    def __call__(
        self, state: GRUState, x: Float[ArrayLike, "*batch input_dim"]
    ) -> tuple[GRUState, Float[Array, "*batch {self.hidden_dim}"]]:
        """Does one step.

        Args:
            state: the state before, `hidden` of shape [..., hidden_dim].
            x: input, shape [..., input_dim].
        Returns:
            The state after, in the dtypes of the state before, and the output, shape
            [..., hidden_dim], its `hidden`.
        Raises:
            CallError: if state is not a GRUState.
            DtypeError: if x or the state is not floating.
            ShapeError: if shapes do not fit.
        """
        x = given.step_input(self, x, self.input_dim)
        hidden = given.state(self, state, GRUState, x, self.hidden_dim).hidden
        if self.reset_after:
            of_x, of_h = self.x_fc(x), self.h_fc(hidden)
            n = 2 * self.hidden_dim
            update, reset = F.gru_gates(of_x[..., :n] + of_h[..., :n])
            candidate = of_x[..., n:] + reset * of_h[..., n:]
        else:
            update, reset = F.gru_gates(self.xh_zr_fc(jnp.concatenate([x, hidden], axis=-1)))
            candidate = self.xh_h_fc(jnp.concatenate([x, reset * hidden], axis=-1))
        hidden = F.gru_step(hidden, update, candidate).astype(hidden.dtype)
        return GRUState(hidden), hidden

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_dim": self.input_dim,
                "hidden_dim": self.hidden_dim,
                "reset_after": self.reset_after or None,
            }
        )
