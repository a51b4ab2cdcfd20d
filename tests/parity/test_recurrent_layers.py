"""Parity of the recurrent layers with torch's, on packed sequences, gradients of all included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import pax
from tests.parity.compare import assert_like_torch, normal

BATCH, STEPS, IN, HIDDEN = 3, 5, 3, 4
LENGTHS = np.array([3, 5, 1])
X = normal(BATCH, STEPS, IN)

Weights = dict[str, torch.Tensor]


def over_inputs(fc: Weights, order: tuple[int, ...], width: int) -> Weights:
    """Returns a dense layer over [x, hidden] as torch's two, gates in torch's order."""

    def chosen(x: torch.Tensor) -> torch.Tensor:
        gates = x.chunk(len(order), -1)
        return torch.cat([gates[i] for i in order], -1)

    weight, bias = chosen(fc["weight"]), chosen(fc["bias"])
    return {
        "weight_ih": weight[:-width].T,
        "weight_hh": weight[-width:].T,
        "bias_ih": bias,
        "bias_hh": torch.zeros_like(bias),
    }


def part(p: Weights, name: str) -> Weights:
    """Returns the arrays below a name."""
    return {k.removeprefix(f"{name}."): v for k, v in p.items() if k.startswith(f"{name}.")}


def lstm(p: Weights) -> Weights:
    # ours: input, candidate, forget, output; torch's: input, forget, candidate, output
    return over_inputs(part(p, "fc"), (0, 2, 1, 3), HIDDEN)


def vanilla(p: Weights) -> Weights:
    return over_inputs(part(p, "fc"), (0,), HIDDEN)


def run_torch(
    rnn: torch.nn.RNNBase, weights: Weights, x: torch.Tensor, state: Any, packed: bool
) -> tuple[torch.Tensor, Any]:
    """Returns the outputs, zeros in the padding, and the last states of all layers."""
    lengths = torch.tensor(LENGTHS)
    pack, unpack = (
        getattr(torch.nn.utils.rnn, f"{name}_sequence") for name in ("pack_padded", "pad_packed")
    )
    given = pack(x, lengths, batch_first=True, enforce_sorted=False) if packed else x
    y, last = torch.func.functional_call(rnn, weights, (given, state))
    return (unpack(y, batch_first=True)[0] if packed else y), last


def named(p: Weights, convert: Callable[[Weights], Weights], layers: Any) -> Weights:
    """Returns the weights of cells at these paths, under the names of torch's layers."""
    return {
        f"{name}_{suffix}": x
        for path, suffix in layers.items()
        for name, x in convert(part(p, path)).items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("packed", [True, False], ids=["packed", "whole"])
@pytest.mark.parametrize("reverse", [True, False], ids=["backwards", "forwards"])
def test_one_direction(packed: bool, reverse: bool) -> None:
    """torch has no layer that is backwards alone: the other half of a bidirectional one is left."""
    rnn = torch.nn.RNN(IN, HIDDEN, batch_first=True, bidirectional=True)

    def theirs(p: Weights, x: torch.Tensor, hidden: torch.Tensor) -> Any:
        weights = {
            f"{name}_l0{suffix}": a
            for name, a in vanilla(part(p, "cell")).items()
            for suffix in ("", "_reverse")
        }
        y, last = run_torch(rnn, weights, x, torch.stack([hidden, hidden]), packed)
        return y.chunk(2, -1)[int(reverse)], last[int(reverse)]

    def ours(rnn: Any, x: Any, hidden: Any) -> Any:
        lengths = LENGTHS if packed else None
        state, y = rnn(x, pax.VanillaRNNState(hidden), lengths=lengths)
        return y, state.hidden

    assert_like_torch(
        lambda: pax.RNN(pax.VanillaRNN(IN, HIDDEN), reverse=reverse),
        [X, normal(BATCH, HIDDEN)],
        theirs,
        call=ours,
    )


@pytest.mark.parametrize("packed", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_two_layers_of_two_directions(packed: bool) -> None:
    lstms = torch.nn.LSTM(IN, HIDDEN, 2, batch_first=True, dropout=0.5, bidirectional=True).eval()
    layers = {
        f"layers.{i}.{direction}.cell": f"l{i}{suffix}"
        for i in range(2)
        for direction, suffix in (("forward", ""), ("backward", "_reverse"))
    }

    def make() -> Any:
        cells = [pax.LSTM(width, HIDDEN) for width in (IN, IN, 2 * HIDDEN, 2 * HIDDEN)]
        both = [pax.Bidirectional(*cells[:2]), pax.Bidirectional(*cells[2:])]
        return pax.StackedRNN(both, 0.5).eval()

    def theirs(p: Weights, x: torch.Tensor, hidden: torch.Tensor, cell: torch.Tensor) -> Any:
        y, last = run_torch(lstms, named(p, lstm, layers), x, (hidden, cell), packed)
        return y, *last

    def ours(rnn: Any, x: Any, hidden: Any, cell: Any) -> Any:
        states = [pax.LSTMState(h, c) for h, c in zip(hidden, cell, strict=True)]
        before = ((states[0], states[1]), (states[2], states[3]))
        after, y = rnn(x, before, lengths=LENGTHS if packed else None)
        ends = [state for pair in after for state in pair]
        return y, *(jnp.stack(parts) for parts in zip(*ends, strict=True))

    state = [normal(4, BATCH, HIDDEN, seed=i) for i in range(2)]
    assert_like_torch(make, [X, *state], theirs, call=ours)
