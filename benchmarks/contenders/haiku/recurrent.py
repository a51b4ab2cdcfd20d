"""Cells in `hk.dynamic_unroll`, which multiply input and hidden state in each step."""

from __future__ import annotations

import haiku as hk
from jax import Array

from benchmarks import sizes as of


def lstm(sizes: of.Recurrent, x: Array, training: bool) -> Array:
    """Gives the hidden state after each step."""
    return unroll(hk.LSTM(sizes.width, name="cell"), x)


def gru(sizes: of.Recurrent, x: Array, training: bool) -> Array:
    """Gives the hidden state after each step."""
    return unroll(hk.GRU(sizes.width, name="cell"), x)


def unroll(core: hk.RNNCore, x: Array) -> Array:
    start = core.initial_state(x.shape[0])
    return hk.dynamic_unroll(core, x, start, time_major=False)[0]
