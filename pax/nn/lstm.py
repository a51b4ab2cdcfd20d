"""The LSTM cell."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
from pax._core import ParameterModule, arguments, keys_for_parts
from pax.nn import given
from pax.nn.layer_norm import LayerNorm
from pax.nn.linear import Linear


class LSTMState(NamedTuple):
    """State of an `LSTM`.

    Args:
        hidden: shape [..., hidden_dim], of a cell with a projection [..., projection_dim].
        cell: shape [..., hidden_dim].
    Example:
        >>> pax.LSTM(3, 4).initial_state(2).cell.shape
        (2, 4)
    """

    hidden: Float[Array, "*batch out_dim"]
    cell: Float[Array, "*batch hidden_dim"]


class LSTM(ParameterModule):
    """A long short-term memory cell.

    i, g, f, o = split([x, h] W + b), with W and b those of `fc`;
    c' = sigmoid(f + forget_gate_bias) c + sigmoid(i) tanh(g); h' = sigmoid(o) tanh(c').
    The output is h'.

    With a projection, h' = (sigmoid(o) tanh(c')) P, with P the weight of `projection`. With
    peepholes, i and f are i + p_0 c and f + p_1 c, and o is o + p_2 c', entry by entry, with p the
    array `peephole`. With layer norms, the gates are norm(x V) + norm(h U) over all four of them,
    with V and U the weights of `x_fc` and `h_fc` in place of `fc`, and h' = sigmoid(o)
    tanh(norm(c')); the norms are `x_norm`, whose offset is the bias b, `h_norm`, which has none,
    and `cell_norm`.

    Args:
        input_dim: size of the last axis of the input.
        hidden_dim: size of the state and of the output.
        w_init: draws W as `w_init(rng_key, shape)`; by default with variance 1 / fan_in. It draws
            the other matrices too.
        forget_gate_bias: added before the sigmoid of the forget gate; more of it forgets less.
        projection_dim: size of h' after a projection; None for none.
        with_peephole: whether the gates see the cell, by weights that start at zero.
        with_layer_norm: whether there are layer norms.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or w_init cannot be called.
    Example:
        >>> lstm = pax.LSTM(3, 4)
        >>> state, y = lstm(lstm.initial_state(2), jnp.ones((2, 3)))
        >>> y.shape
        (2, 4)
    Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997; Sak et al., "Long short-term
        memory based recurrent neural network architectures", 2014 (arXiv 1402.1128), the
        projection; Gers et al., "Learning precise timing with LSTM recurrent networks", 2002, the
        peepholes; Ba et al., "Layer normalization", 2016 (arXiv 1607.06450), the norms.
    """

    fc: Any  # a Linear layer, as those below, or None
    x_fc: Any
    h_fc: Any
    projection: Any
    peephole: Float[Array, "3 hidden_dim"] | None
    x_norm: Any  # a LayerNorm, as those below, or None
    h_norm: Any
    cell_norm: Any
    #: See `RNN`.
    input_layers = ("fc", "x_fc")
    state_layers = ("h_fc", "projection")

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        w_init: arguments.Initializer | None = None,
        forget_gate_bias: float = 0.0,
        *,
        projection_dim: int | None = None,
        with_peephole: bool = False,
        with_layer_norm: bool = False,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        out_dim = hidden_dim if projection_dim is None else projection_dim
        arguments.sizes("LSTM", input_dim=input_dim, hidden_dim=hidden_dim, projection_dim=out_dim)
        arguments.initializer("LSTM", "w_init", w_init)
        arguments.flags("LSTM", with_peephole=with_peephole, with_layer_norm=with_layer_norm)
        self.input_dim = input_dim
        self.hidden_dim = hidden_dim
        self.forget_gate_bias = arguments.number("LSTM", "forget_gate_bias", forget_gate_bias)
        self.projection_dim = projection_dim
        self.out_dim = out_dim
        self.with_peephole = with_peephole
        self.with_layer_norm = with_layer_norm
        projects = projection_dim is not None
        sizes = {
            "fc": None if with_layer_norm else (input_dim + out_dim, 4 * hidden_dim),
            "x_fc": (input_dim, 4 * hidden_dim) if with_layer_norm else None,
            "h_fc": (out_dim, 4 * hidden_dim) if with_layer_norm else None,
            "projection": (hidden_dim, out_dim) if projects else None,
        }
        n = sum(size is not None for size in sizes.values())
        part_keys = iter([rng_key] if n == 1 else keys_for_parts(rng_key, n))
        for part, size in sizes.items():
            layer = None
            if size is not None:
                layer = Linear(*size, part == "fc", w_init=w_init, rng_key=next(part_keys))
            setattr(self, part, layer)
        self.peephole = jnp.zeros((3, hidden_dim), self._dtype()) if with_peephole else None
        norms = {"x_norm": (4, True), "h_norm": (4, False), "cell_norm": (1, True)}
        for part, (width, offset) in norms.items():
            norm = LayerNorm(width * hidden_dim, -1, True, offset) if with_layer_norm else None
            setattr(self, part, norm)

    def initial_state(self, batch_size: int) -> LSTMState:
        """Returns a state of zeros.

        Args:
            batch_size: B.
        Returns:
            `hidden` and `cell` of shape [B, hidden_dim], dtype of the weights; with a projection,
            `hidden` is [B, projection_dim].
        Raises:
            ArgumentError: if batch_size is not an integer of at least 0.
        """
        arguments.integer("LSTM.initial_state", "batch_size", batch_size, at_least=0)
        dtype = self._dtype()
        hidden = jnp.zeros((batch_size, self.out_dim), dtype)
        return LSTMState(hidden, jnp.zeros((batch_size, self.hidden_dim), dtype))

    def __call__(
        self, state: LSTMState, x: Float[ArrayLike, "*batch input_dim"]
    ) -> tuple[LSTMState, Float[Array, "*batch {self.out_dim}"]]:
        """Does one step.

        Args:
            state: the state before, `hidden` and `cell` of shape [..., hidden_dim]; with a
                projection, `hidden` is [..., projection_dim].
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
        state = given.state(self, state, LSTMState, x, self.hidden_dim, self.out_dim)
        if self.with_layer_norm:
            gates = self.x_norm(self.x_fc(x)) + self.h_norm(self.h_fc(state.hidden))
        else:
            gates = self.fc(jnp.concatenate([x, state.hidden], axis=-1))
        hidden, cell = F.lstm_step(
            gates,
            state.cell,
            self.forget_gate_bias,
            peephole=self.peephole,
            cell_norm=self.cell_norm,
        )
        if self.projection is not None:
            hidden = self.projection(hidden)
        hidden = hidden.astype(state.hidden.dtype)
        return LSTMState(hidden, cell.astype(state.cell.dtype)), hidden

    def _dtype(self) -> Any:
        return given.weight_dtype(self.fc or self.h_fc)

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_dim": self.input_dim,
                "hidden_dim": self.hidden_dim,
                "projection_dim": self.projection_dim,
                "with_peephole": self.with_peephole or None,
                "with_layer_norm": self.with_layer_norm or None,
            }
        )
