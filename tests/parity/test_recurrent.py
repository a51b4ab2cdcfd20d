"""Parity of the recurrent cells over twenty steps, gradients through time included."""

from __future__ import annotations

from typing import Any

import haiku as hk
import jax
import pytest
import torch

import pax
from tests.parity.compare import assert_like_jax, assert_like_torch, normal

STEPS, BATCH, IN, HIDDEN = 20, 2, 3, 4
SEQUENCE = normal(STEPS, BATCH, IN)
HIDDEN_0, CELL_0 = normal(BATCH, HIDDEN, seed=2), normal(BATCH, HIDDEN, seed=3)


def over_time(state_type: Any) -> Any:
    """Returns a call of a cell over a sequence, from a state given as arrays."""

    def run(cell: Any, xs: Any, *state: Any) -> Any:
        last, ys = jax.lax.scan(cell, state_type(*state), xs)
        return ys, *last

    return run


def by_layer(state_type: Any) -> Any:
    """Returns the same, the cell in a layer over sequences."""

    def run(cell: Any, xs: Any, *state: Any) -> Any:
        last, ys = pax.RNN(cell)(xs.swapaxes(0, 1), state_type(*state))
        return ys.swapaxes(0, 1), *last

    return run


def haiku_over_time(make_core: Any, pack: Any, unpack: Any) -> Any:
    """Returns the same for a core of haiku, as a function of its parameters."""

    def unroll(xs: Any, *state: Any) -> Any:
        ys, last = hk.dynamic_unroll(make_core(), xs, pack(*state))
        return ys, *unpack(last)

    return hk.without_apply_rng(hk.transform(unroll)).apply


def torch_over_time(rnn: torch.nn.Module, weights: dict[str, Any], xs: Any, *state: Any) -> Any:
    """Returns outputs and last state of one of torch's recurrent layers with these weights."""
    weights = {f"{name}_l0": x for name, x in weights.items()}
    state = tuple(x[None] for x in state)
    ys, last = torch.func.functional_call(rnn, weights, (xs, state if len(state) > 1 else state[0]))
    return ys, *(x[0] for x in (last if isinstance(last, tuple) else (last,)))


def torch_weights(p: dict[str, torch.Tensor], order: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Returns the dense layer over [x, hidden] as torch's weights, its gates in this order."""
    weight, bias = (
        torch.cat([x.chunk(len(order), -1)[gate] for gate in order], -1)
        for x in (p["fc.weight"], p["fc.bias"])
    )
    return {
        "weight_ih": weight[:IN].T,
        "weight_hh": weight[IN:].T,
        "bias_ih": bias,
        "bias_hh": torch.zeros_like(bias),
    }


def test_vanilla_rnn_against_torch() -> None:
    rnn = torch.nn.RNN(IN, HIDDEN)
    assert_like_torch(
        lambda: pax.VanillaRNN(IN, HIDDEN),
        [SEQUENCE, HIDDEN_0],
        lambda p, *xs: torch_over_time(rnn, torch_weights(p, (0,)), *xs),
        call=by_layer(pax.VanillaRNNState),
    )


def test_vanilla_rnn_by_its_formula() -> None:
    def formula(p: dict[str, Any], xs: Any, hidden: Any) -> Any:
        ys = []
        for x in xs:
            hidden = torch.tanh(torch.cat([x, hidden], -1) @ p["fc.weight"] + p["fc.bias"])
            ys.append(hidden)
        return torch.stack(ys), hidden

    assert_like_torch(
        lambda: pax.VanillaRNN(IN, HIDDEN),
        [SEQUENCE, HIDDEN_0],
        formula,
        call=over_time(pax.VanillaRNNState),
    )


@pytest.mark.parametrize(("forget_gate_bias", "call"), [(0.0, over_time), (1.5, by_layer)])
def test_lstm_against_torch(forget_gate_bias: float, call: Any) -> None:
    lstm = torch.nn.LSTM(IN, HIDDEN)
    # ours: input, candidate, forget, output; torch's: input, forget, candidate, output
    to_forget = torch.tensor([0.0, forget_gate_bias, 0.0, 0.0]).double().repeat_interleave(HIDDEN)

    def theirs(p: dict[str, torch.Tensor], *xs: Any) -> Any:
        weights = torch_weights(p, (0, 2, 1, 3))
        return torch_over_time(lstm, weights | {"bias_hh": to_forget}, *xs)

    assert_like_torch(
        lambda: pax.LSTM(IN, HIDDEN, forget_gate_bias=forget_gate_bias),
        [SEQUENCE, HIDDEN_0, CELL_0],
        theirs,
        call=call(pax.LSTMState),
    )


def test_lstm_against_haiku_which_prefers_to_remember() -> None:
    theirs = haiku_over_time(lambda: hk.LSTM(HIDDEN, name="lstm"), hk.LSTMState, tuple)
    assert_like_jax(
        lambda: pax.LSTM(IN, HIDDEN, forget_gate_bias=1.0),
        [SEQUENCE, HIDDEN_0, CELL_0],
        lambda p, *xs: theirs({"lstm/linear": {"w": p["fc.weight"], "b": p["fc.bias"]}}, *xs),
        call=over_time(pax.LSTMState),
    )


def test_gru_by_its_formula() -> None:
    # torch's own GRU resets after the product with the hidden state, so it is another function
    def formula(p: dict[str, Any], xs: Any, hidden: Any) -> Any:
        ys = []
        for x in xs:
            both = torch.cat([x, hidden], -1)
            gates = torch.sigmoid(both @ p["xh_zr_fc.weight"] + p["xh_zr_fc.bias"])
            update, reset = gates[..., :HIDDEN], gates[..., HIDDEN:]
            both = torch.cat([x, reset * hidden], -1)
            candidate = torch.tanh(both @ p["xh_h_fc.weight"] + p["xh_h_fc.bias"])
            hidden = (1 - update) * hidden + update * candidate
            ys.append(hidden)
        return torch.stack(ys), hidden

    assert_like_torch(
        lambda: pax.GRU(IN, HIDDEN), [SEQUENCE, HIDDEN_0], formula, call=over_time(pax.GRUState)
    )


def test_gru_against_haiku() -> None:
    theirs = haiku_over_time(
        lambda: hk.GRU(HIDDEN, name="gru"), lambda hidden: hidden, lambda hidden: (hidden,)
    )

    def rearranged(p: dict[str, Any], *xs: Any) -> Any:
        zr, h = p["xh_zr_fc.weight"], p["xh_h_fc.weight"]
        weights = {
            "w_i": jax.numpy.concatenate([zr[:IN], h[:IN]], -1),
            "w_h": jax.numpy.concatenate([zr[IN:], h[IN:]], -1),
            "b": jax.numpy.concatenate([p["xh_zr_fc.bias"], p["xh_h_fc.bias"]]),
        }
        return theirs({"gru": weights}, *xs)

    assert_like_jax(
        lambda: pax.GRU(IN, HIDDEN), [SEQUENCE, HIDDEN_0], rearranged, call=by_layer(pax.GRUState)
    )
