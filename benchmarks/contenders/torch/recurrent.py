"""Recurrent layers over a sequence, which torch runs in one operation.

They have a second bias, and the GRU resets the state after its product, not before: the shapes of
all products are the same as elsewhere, the values of the GRU are not.
"""

from __future__ import annotations

from torch import Tensor, nn

from benchmarks import sizes as of


class LSTM(nn.Module):
    """Gives the hidden state after each step."""

    def __init__(self, sizes: of.Recurrent) -> None:
        super().__init__()
        self.cell = nn.LSTM(sizes.inputs, sizes.width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(x)[0]


class GRU(nn.Module):
    """Gives the hidden state after each step."""

    def __init__(self, sizes: of.Recurrent) -> None:
        super().__init__()
        self.cell = nn.GRU(sizes.inputs, sizes.width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(x)[0]
