"""The rows of the layers over sequences."""

from __future__ import annotations

from typing import Any

import jax

import pax
from tests.contracts.case import Case
from tests.contracts.draws import arguments, integers, normal, packed
from tests.contracts.rows import row

WEIGHTS = {
    "huge": "its products are beyond float16",
    "free construction": "weights are drawn",
}
LAYERS = ("cell.xh_zr_fc", "cell.xh_h_fc")
GATES = " ".join(f"{layer}.{array}" for layer in LAYERS for array in ("weight", "bias"))
SEQUENCE_AND_STATE = arguments(normal(5, 3), packed(pax.GRUState, normal(4)))


RESETS = arguments(normal(5, 3), integers(5), integers(2, 5))


def of_episodes(rnn: Any, x: Any, last: Any, resets: Any) -> Any:
    """Reads up to step `last`, anew where `resets` is 1; time comes first."""
    state, y = rnn(x.swapaxes(0, 1), lengths=last + 1, resets=resets.swapaxes(0, 1) == 1)
    return state, y.swapaxes(0, 1)


def time_first(layer: Any, x: Any) -> Any:
    state, y = layer(x.swapaxes(0, 1))
    return state, y.swapaxes(0, 1)


def both(key: Any) -> pax.Bidirectional:
    cells = [pax.VanillaRNN(3, n, rng_key=k) for n, k in enumerate(jax.random.split(key), 2)]
    return pax.Bidirectional(*cells, time_major=True, name="both")


def stacked(key: Any) -> pax.StackedRNN:
    cells = [pax.VanillaRNN(3, 3, rng_key=k) for k in jax.random.split(key)]
    return pax.StackedRNN([pax.RNN(cell) for cell in cells], 0.5, name="stack")


def step(state: Any, *axes: int, cell: int = 4) -> Any:
    """Draws a state, its hidden part of these axes, and an input."""
    parts = [normal(*axes)] if state is not pax.LSTMState else [normal(*axes), normal(cell)]
    return arguments(packed(state, *parts), normal(3))


IMAGE_STEP = arguments(packed(pax.LSTMState, normal(4, 5, 2), normal(4, 5, 2)), normal(4, 5, 3))
OPTIONS = "x_fc.weight h_fc.weight projection.weight peephole x_norm.scale x_norm.offset"
CELLS = [
    row(
        "LSTM",
        "projection, peephole, layer norms",
        (3, 4),
        step(pax.LSTMState, 2),
        f"{OPTIONS} h_norm.scale cell_norm.scale cell_norm.offset",
        projection_dim=2,
        with_peephole=True,
        with_layer_norm=True,
        without=WEIGHTS,
        slow=True,
    ),
    row(
        "GRU",
        "reset after",
        (3, 4),
        step(pax.GRUState, 4),
        "x_fc.weight x_fc.bias h_fc.weight h_fc.bias",
        reset_after=True,
        without=WEIGHTS,
        slow=True,
    ),
    row(
        "VanillaRNN",
        "silu",
        (3, 4),
        step(pax.VanillaRNNState, 4),
        "fc.weight fc.bias",
        activation=jax.nn.silu,
        without=WEIGHTS,
        slow=True,
    ),
    row(
        "MGU",
        "",
        (3, 4),
        step(pax.MGUState, 4),
        "xh_f_fc.weight xh_f_fc.bias xh_h_fc.weight xh_h_fc.bias",
        name="mgu",
        without=WEIGHTS,
        slow=True,
    ),
    row(
        "ConvLSTM",
        "",
        ((4, 5, 3), 2, 3),
        IMAGE_STEP,
        "conv.weight conv.bias peephole",
        w_init=jax.nn.initializers.normal(0.3),
        forget_gate_bias=1.0,
        with_peephole=True,
        name="images",
        without=WEIGHTS,
    ),
]

SEQUENCES = [
    Case(
        "RNN",
        "",
        lambda key: pax.RNN(pax.GRU(3, 4, rng_key=key), name="reader"),
        SEQUENCE_AND_STATE,
        GATES,
        without=WEIGHTS,
    ),
    Case(
        "RNN",
        "backwards, time first, lengths and resets",
        lambda key: pax.RNN(pax.GRU(3, 4, rng_key=key), reverse=True, time_major=True),
        RESETS,
        GATES,
        call=of_episodes,
        without=WEIGHTS,
        slow=True,
    ),
    Case(
        "Bidirectional",
        "time first",
        both,
        normal(5, 3),
        "forward.cell.fc.weight forward.cell.fc.bias backward.cell.fc.weight backward.cell.fc.bias",
        call=time_first,
        without=WEIGHTS,
    ),
    Case(
        "StackedRNN",
        "dropout",
        lambda key: stacked(key).eval(),
        normal(5, 3),
        "layers.0.cell.fc.weight layers.0.cell.fc.bias "
        "layers.1.cell.fc.weight layers.1.cell.fc.bias",
        "dropout.rng_key",
        without=WEIGHTS,
        slow=True,
    ),
]
