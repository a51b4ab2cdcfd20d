"""Parity of the options of recurrent cells with torch's layers, and with their formulas."""

from __future__ import annotations

from typing import Any

import jax
import pytest
import torch

import pax
from tests.parity.compare import assert_like_torch, normal
from tests.parity.test_recurrent_layers import (
    BATCH,
    HIDDEN,
    IN,
    LENGTHS,
    Weights,
    X,
    over_inputs,
    part,
    run_torch,
    vanilla,
)

PROJECTED = 2
HIDDEN_0, CELL_0 = normal(BATCH, HIDDEN, seed=2), normal(BATCH, HIDDEN, seed=3)
SHORT_0 = normal(BATCH, PROJECTED, seed=2)


def first_layer(weights: Weights) -> Weights:
    return {f"{name}_l0": x for name, x in weights.items()}


def packed(state_type: Any) -> Any:
    """Returns a call over padded sequences from a state given as arrays."""

    def run(cell: Any, x: Any, *state: Any) -> Any:
        last, y = pax.RNN(cell)(x, state_type(*state), lengths=LENGTHS)
        return y, *last

    return run


@pytest.mark.slow
def test_lstm_with_projection() -> None:
    lstm = torch.nn.LSTM(IN, HIDDEN, proj_size=PROJECTED, batch_first=True)

    def theirs(p: Weights, x: torch.Tensor, hidden: torch.Tensor, cell: torch.Tensor) -> Any:
        weights = over_inputs(part(p, "fc"), (0, 2, 1, 3), PROJECTED)
        weights["weight_hr"] = p["projection.weight"].T
        y, last = run_torch(lstm, first_layer(weights), x, (hidden[None], cell[None]), True)
        return y, *(a[0] for a in last)

    assert_like_torch(
        lambda: pax.LSTM(IN, HIDDEN, projection_dim=PROJECTED),
        [X, SHORT_0, CELL_0],
        theirs,
        call=packed(pax.LSTMState),
    )


def test_gru_that_resets_after() -> None:
    gru = torch.nn.GRU(IN, HIDDEN, batch_first=True)

    def theirs(p: Weights, x: torch.Tensor, hidden: torch.Tensor) -> Any:
        def rearranged(a: torch.Tensor) -> torch.Tensor:
            update, reset, candidate = a.chunk(3, -1)  # torch: reset, update, candidate
            both = torch.cat([reset, -update, candidate], -1)  # torch's update keeps the old
            return both.T if both.ndim == 2 else both

        weights = {
            f"{array}_{theirs}": rearranged(p[f"{ours}.{array}"])
            for array in ("weight", "bias")
            for ours, theirs in (("x_fc", "ih"), ("h_fc", "hh"))
        }
        y, last = run_torch(gru, first_layer(weights), x, hidden[None], True)
        return y, last[0]

    assert_like_torch(
        lambda: pax.GRU(IN, HIDDEN, reset_after=True),
        [X, HIDDEN_0],
        theirs,
        call=packed(pax.GRUState),
    )


@pytest.mark.slow
def test_vanilla_rnn_with_relu() -> None:
    rnn = torch.nn.RNN(IN, HIDDEN, nonlinearity="relu", batch_first=True)

    def theirs(p: Weights, x: torch.Tensor, hidden: torch.Tensor) -> Any:
        y, last = run_torch(rnn, first_layer(vanilla(p)), x, hidden[None], True)
        return y, last[0]

    assert_like_torch(
        lambda: pax.VanillaRNN(IN, HIDDEN, activation=jax.nn.relu),
        [X, HIDDEN_0],
        theirs,
        call=packed(pax.VanillaRNNState),
    )


def whole(state_type: Any) -> Any:
    """Returns a call over all steps from a state given as arrays."""

    def run(cell: Any, x: Any, *state: Any) -> Any:
        last, y = pax.RNN(cell)(x, state_type(*state))
        return y, *last

    return run


def layer_norm(x: torch.Tensor, scale: torch.Tensor, offset: Any = 0.0) -> torch.Tensor:
    return torch.nn.functional.layer_norm(x, x.shape[-1:]) * scale + offset


def test_lstm_with_everything_by_its_formula() -> None:
    bias = 1.5

    def formula(p: Weights, xs: torch.Tensor, hidden: torch.Tensor, cell: torch.Tensor) -> Any:
        ys, peephole = [], p["peephole"]
        for x in xs.unbind(1):
            gates = layer_norm(x @ p["x_fc.weight"], p["x_norm.scale"], p["x_norm.offset"])
            gates = gates + layer_norm(hidden @ p["h_fc.weight"], p["h_norm.scale"])
            i, g, f, o = gates.chunk(4, -1)
            i = torch.sigmoid(i + peephole[0] * cell)
            f = torch.sigmoid(f + bias + peephole[1] * cell)
            cell = f * cell + i * torch.tanh(g)
            o = torch.sigmoid(o + peephole[2] * cell)
            shown = layer_norm(cell, p["cell_norm.scale"], p["cell_norm.offset"])
            hidden = (o * torch.tanh(shown)) @ p["projection.weight"]
            ys.append(hidden)
        return torch.stack(ys, 1), hidden, cell

    assert_like_torch(
        lambda: pax.LSTM(
            IN,
            HIDDEN,
            forget_gate_bias=bias,
            projection_dim=PROJECTED,
            with_peephole=True,
            with_layer_norm=True,
        ),
        [X, SHORT_0, CELL_0],
        formula,
        call=whole(pax.LSTMState),
    )


@pytest.mark.slow
def test_mgu_by_its_formula() -> None:
    def formula(p: Weights, xs: torch.Tensor, hidden: torch.Tensor) -> Any:
        ys = []
        for x in xs.unbind(1):
            gate = torch.cat([x, hidden], -1) @ p["xh_f_fc.weight"] + p["xh_f_fc.bias"]
            gate = torch.sigmoid(gate)
            new = torch.cat([x, gate * hidden], -1) @ p["xh_h_fc.weight"] + p["xh_h_fc.bias"]
            hidden = (1 - gate) * hidden + gate * torch.tanh(new)
            ys.append(hidden)
        return torch.stack(ys, 1), hidden

    assert_like_torch(lambda: pax.MGU(IN, HIDDEN), [X, HIDDEN_0], formula, call=whole(pax.MGUState))


@pytest.mark.slow
@pytest.mark.parametrize("axes", [(4,), (4, 3)], ids=["1-D", "2-D"])
def test_conv_lstm_by_its_formula(axes: tuple[int, ...]) -> None:
    n = len(axes)
    convolve = [torch.nn.functional.conv1d, torch.nn.functional.conv2d][n - 1]
    names = "xy"[:n]

    def channels_first(x: torch.Tensor) -> torch.Tensor:
        return torch.einsum(f"b{names}c->bc{names}", x)

    def formula(p: Weights, xs: torch.Tensor, hidden: torch.Tensor, cell: torch.Tensor) -> Any:
        kernel = torch.einsum(f"{names}io->oi{names}", p["conv.weight"])
        ys, peephole = [], p["peephole"]
        for x in xs.unbind(1):
            both = channels_first(torch.cat([x, hidden], -1))
            gates = convolve(both, kernel, p["conv.bias"], padding=1)
            gates = torch.einsum(f"bc{names}->b{names}c", gates)
            i, g, f, o = gates.chunk(4, -1)
            i = torch.sigmoid(i + peephole[0] * cell)
            f = torch.sigmoid(f + 0.5 + peephole[1] * cell)
            cell = f * cell + i * torch.tanh(g)
            hidden = torch.sigmoid(o + peephole[2] * cell) * torch.tanh(cell)
            ys.append(hidden)
        return torch.stack(ys, 1), hidden, cell

    assert_like_torch(
        lambda: pax.ConvLSTM((*axes, 3), 2, 3, forget_gate_bias=0.5, with_peephole=True),
        [normal(2, 3, *axes, 3), normal(2, *axes, 2, seed=1), normal(2, *axes, 2, seed=2)],
        formula,
        call=whole(pax.LSTMState),
    )
