"""The convolutional LSTM cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
from pax._core import ArgumentError, ParameterModule, ShapeError, arguments
from pax.nn import given
from pax.nn.convolution import ConvND
from pax.nn.lstm import LSTMState


class ConvLSTM(ParameterModule):
    """An `LSTM` cell over images: its state is one, and a convolution makes its gates.

    i, g, f, o = split([x, h] * W + b), with W and b those of `conv`, a convolution of stride 1 that
    keeps the size, over the channels of x, then of h;
    c' = sigmoid(f + forget_gate_bias) c + sigmoid(i) tanh(g); h' = sigmoid(o) tanh(c').
    The output is h'. With peepholes, i and f are i + p_0 c and f + p_1 c, and o is o + p_2 c', with
    p the array `peephole`, [3, *N, out_features].

    Args:
        input_shape: shape of one input, (*N, C): the size of each spatial axis, as many as there
            are, and the number of channels.
        out_features: number of channels of the state and of the output.
        kernel_shape: kernel size, an integer or one for each spatial axis.
        w_init: draws W as `w_init(rng_key, shape)`; by default that of `ConvND`.
        forget_gate_bias: added before the sigmoid of the forget gate; more of it forgets less.
        with_peephole: whether the gates see the cell, by weights that start at zero.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> cell = pax.ConvLSTM((8, 8, 3), 4, 3)
        >>> state, y = pax.RNN(cell)(jnp.ones((2, 5, 8, 8, 3)))
        >>> y.shape, state.cell.shape
        ((2, 5, 8, 8, 4), (2, 8, 8, 4))
    Source: Shi et al., "Convolutional LSTM network", 2015 (arXiv 1506.04214).
    """

    conv: ConvND
    peephole: Float[Array, "3 *N C"] | None

    def __init__(
        self,
        input_shape: Sequence[int],
        out_features: int,
        kernel_shape: int | Sequence[int],
        w_init: arguments.Initializer | None = None,
        forget_gate_bias: float = 0.0,
        *,
        with_peephole: bool = False,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        n = len(input_shape) - 1 if isinstance(input_shape, (tuple, list)) else 0
        if n < 1:
            raise ArgumentError(
                f"ConvLSTM got input_shape={input_shape!r}; expected sizes and channels.",
                "write input_shape=(64, 64, 3) for images of 64 x 64 with 3 channels.",
            )
        self.input_shape = arguments.size_tuple("ConvLSTM", "input_shape", input_shape, n + 1)
        arguments.sizes("ConvLSTM", out_features=out_features)
        kernel_shape = arguments.size_tuple("ConvLSTM", "kernel_shape", kernel_shape, n)
        arguments.initializer("ConvLSTM", "w_init", w_init)
        arguments.flags("ConvLSTM", with_peephole=with_peephole)
        self.out_features = out_features
        self.forget_gate_bias = arguments.number("ConvLSTM", "forget_gate_bias", forget_gate_bias)
        self.with_peephole = with_peephole
        channels = self.input_shape[-1] + out_features
        self.conv = ConvND(
            n, channels, 4 * out_features, kernel_shape, w_init=w_init, rng_key=rng_key
        )
        shape, dtype = (3, *self.input_shape[:-1], out_features), self.conv.weight.dtype
        self.peephole = jnp.zeros(shape, dtype) if with_peephole else None

    def initial_state(self, batch_size: int) -> LSTMState:
        """Returns a state of zeros.

        Args:
            batch_size: B.
        Returns:
            `hidden` and `cell` of shape [B, *N, out_features], dtype of the weights.
        Raises:
            ArgumentError: if batch_size is not an integer of at least 0.
        """
        arguments.integer("ConvLSTM.initial_state", "batch_size", batch_size, at_least=0)
        shape = (batch_size, *self.input_shape[:-1], self.out_features)
        dtype = given.weight_dtype(self.conv)
        return LSTMState(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def __call__(
        self, state: LSTMState, x: Float[ArrayLike, "B *N_and_C"]
    ) -> tuple[LSTMState, Float[Array, "B *N_and_O"]]:
        """Does one step.

        Args:
            state: the state before, `hidden` and `cell` of shape [B, *N, out_features].
            x: input, shape [B, *N, C].
        Returns:
            The state after, in the dtypes of the state before, and the output, shape
            [B, *N, out_features], its `hidden`.
        Raises:
            CallError: if state is not an LSTMState.
            DtypeError: if x or the state is not floating.
            ShapeError: if shapes do not fit.
        """
        x = given.floating(self, x)
        if x.shape[1:] != self.input_shape or x.ndim == 0:
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}; expected "
                f"(B, {', '.join(map(str, self.input_shape))}).",
                f"build the cell with input_shape={x.shape[1:]}."
                if x.ndim == len(self.input_shape) + 1
                else "a step takes a batch, channels last; a sequence goes through pax.RNN(cell).",
            )
        state = given.state(self, state, LSTMState, x, self.out_features)
        gates = self.conv(jnp.concatenate([x, state.hidden], axis=-1))
        hidden, cell = F.lstm_step(gates, state.cell, self.forget_gate_bias, peephole=self.peephole)
        hidden = hidden.astype(state.hidden.dtype)
        return LSTMState(hidden, cell.astype(state.cell.dtype)), hidden

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_shape": self.input_shape,
                "out_features": self.out_features,
                "kernel_shape": self.conv.kernel_shape,
                "with_peephole": self.with_peephole or None,
            }
        )
