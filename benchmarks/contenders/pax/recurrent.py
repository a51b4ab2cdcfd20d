"""Recurrent layers over a sequence."""

from __future__ import annotations

from jax import Array

import pax
from benchmarks import sizes as of


class InALoop(pax.Module):
    """A cell in a loop over time; each step multiplies the input too."""

    def __init__(self, cell: pax.LSTM | pax.GRU) -> None:
        super().__init__()
        self.cell = cell

    def __call__(self, x: Array) -> Array:
        start = self.cell.initial_state(x.shape[0])
        _, y = pax.scan(self.cell, start, x, time_major=False)
        return y


class OverTime(pax.Module):
    """A recurrent layer, of which the outputs are wanted, not the last state."""

    def __init__(self, cell: pax.LSTM | pax.GRU) -> None:
        super().__init__()
        self.rnn = pax.RNN(cell)

    def __call__(self, x: Array) -> Array:
        return self.rnn(x)[1]


def lstm(sizes: of.Recurrent) -> OverTime:
    return OverTime(pax.LSTM(sizes.inputs, sizes.width))


def gru(sizes: of.Recurrent) -> OverTime:
    return OverTime(pax.GRU(sizes.inputs, sizes.width))


def lstm_cell(sizes: of.Recurrent) -> InALoop:
    return InALoop(pax.LSTM(sizes.inputs, sizes.width))


def gru_cell(sizes: of.Recurrent) -> InALoop:
    return InALoop(pax.GRU(sizes.inputs, sizes.width))
