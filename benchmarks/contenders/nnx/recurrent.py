"""Cells in `nnx.RNN`, which multiply input and hidden state apart, in each step.

The GRU resets the state after its product: the shapes of all products are the same as elsewhere,
its values are not.
"""

from __future__ import annotations

from flax import nnx

from benchmarks import sizes as of


class LSTM(nnx.RNN):
    """Gives the hidden state after each step."""

    def __init__(self, sizes: of.Recurrent, rngs: nnx.Rngs) -> None:
        super().__init__(nnx.OptimizedLSTMCell(sizes.inputs, sizes.width, rngs=rngs))


class GRU(nnx.RNN):
    """Gives the hidden state after each step."""

    def __init__(self, sizes: of.Recurrent, rngs: nnx.Rngs) -> None:
        super().__init__(nnx.GRUCell(sizes.inputs, sizes.width, rngs=rngs))
