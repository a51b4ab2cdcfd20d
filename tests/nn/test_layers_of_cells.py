"""Recurrent layers in both directions and one above the other."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called, trained
from tests.nn.sequences import assert_close, normal, randomized

X = normal(2, 5, 3)
GIVEN = {"lengths": np.array([3, 5]), "resets": np.arange(10).reshape(2, 5) % 4 == 2}


def cell(width: int = 3) -> Any:
    return randomized(pax.VanillaRNN(width, 4))


def both() -> Any:
    return pax.Bidirectional(cell(), randomized(pax.GRU(3, 5)))


def stacked(dropout_rate: float = 0.0) -> Any:
    layers = [pax.RNN(cell()), pax.RNN(cell(4)), pax.RNN(cell(4))]
    return pax.StackedRNN(layers, dropout_rate)


def states(layer: Any) -> Any:
    start = layer.initial_state(2)
    return jax.tree.map(lambda x: normal(*x.shape, seed=3), start)


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [{}, GIVEN],
    ids=["whole", "lengths and resets"],
)
def test_both_directions_are_two_layers(given: Any) -> None:
    layer = both()
    state = states(layer)
    (first, last), y = layer(X, state, **given)
    a_state, a = pax.RNN(layer.forward.cell)(X, state[0], **given)
    b_state, b = pax.RNN(layer.backward.cell, reverse=True)(X, state[1], **given)
    assert_close((first, last), (a_state, b_state), 0.0)
    np.testing.assert_array_equal(y, jnp.concatenate([a, b], -1))


@pytest.mark.slow
def test_time_first_in_both_directions() -> None:
    layer = both()
    cells = layer.forward.cell, layer.backward.cell
    turned = pax.Bidirectional(*jax.tree.map(jnp.copy, cells), time_major=True)
    state, y = called(layer, X)
    assert_close(called(turned, X.swapaxes(0, 1)), (state, y.swapaxes(0, 1)), 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [{}, GIVEN],
    ids=["whole", "lengths and resets"],
)
def test_layers_one_above_the_other(given: Any) -> None:
    layer = stacked()
    before = states(layer)
    y, after = X, []
    for part, state in zip(layer.layers, before, strict=True):
        state, y = part(y, state, **given)
        after.append(state)
    assert_close(layer(X, before, **given), (tuple(after), y), 0.0)
    assert layer.dropout is None


@pytest.mark.slow
def test_the_default_states_are_those_of_the_cells() -> None:
    layer = stacked()
    assert_close(called(layer, X), called(layer, X, layer.initial_state(2)), 1e-6)


def test_dropout_is_between_the_layers_and_in_training_only() -> None:
    layer = stacked(0.5)

    @jax.jit
    def by_hand(layer: Any, x: Any) -> Any:
        dropout, y = layer.dropout, layer.layers[0](x)[1]
        for part in layer.layers[1:]:
            dropout, y = pax.purecall(dropout, y)
            y = part(y)[1]
        return dropout, y

    after, (_, y) = trained(layer, X)
    dropout, expected = by_hand(layer, X)
    np.testing.assert_allclose(y, expected, atol=1e-6)
    np.testing.assert_array_equal(after.dropout.rng_key, dropout.rng_key)
    assert_close(called(layer.eval(), X), called(stacked(), X), 1e-6)
    with pytest.raises(pax.PurityError):
        layer(X)


@each(
    Bad(
        lambda: pax.Bidirectional(pax.GRU(3, 4), pax.RNN),
        pax.ArgumentError,
        "Bidirectional got a ModuleMeta; expected a cell, a module with the methods initial_state "
        "and __call__.",
        "pass a cell: pax.Bidirectional(pax.LSTM(64, 128), pax.LSTM(64, 128)).",
    ),
    Bad(
        lambda: pax.Bidirectional(pax.GRU(3, 4), pax.GRU(3, 4), time_major=1),  # type: ignore
        pax.ArgumentError,
        "RNN got time_major of type int; expected True or False.",
        "write time_major=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.Bidirectional(pax.LSTM(3, 4), pax.LSTM(3, 4)),
        pax.CallError,
        "Bidirectional got a state of type LSTMState; expected a pair.",
        "give (forward_state, backward_state), as this layer returns and initial_state.",
        (X, pax.LSTMState(normal(2, 4), normal(2, 4))),
    ),
    Bad(
        lambda: pax.StackedRNN([pax.LSTM(3, 4)]),
        pax.ArgumentError,
        "StackedRNN got LSTM(input_dim=3, hidden_dim=4); expected a list of recurrent layers.",
        "pass layers, not cells: pax.StackedRNN([pax.RNN(pax.LSTM(64, 128))]).",
    ),
    Bad(
        lambda: pax.StackedRNN(pax.RNN(pax.LSTM(3, 4))),  # type: ignore[arg-type]
        pax.ArgumentError,
        "StackedRNN got RNN; expected a list of recurrent layers.",
        "pass layers, not cells: pax.StackedRNN([pax.RNN(pax.LSTM(64, 128))]).",
    ),
    Bad(
        lambda: pax.StackedRNN([]),
        pax.ArgumentError,
        "StackedRNN got []; expected a list of recurrent layers.",
        "pass layers, not cells: pax.StackedRNN([pax.RNN(pax.LSTM(64, 128))]).",
    ),
    Bad(
        lambda: pax.StackedRNN([pax.RNN(pax.LSTM(3, 4))], 1.0),
        pax.ArgumentError,
        "StackedRNN got dropout_rate=1.0; expected a number in [0, 1).",
        "write dropout_rate=0.1.",
    ),
    Bad(
        lambda: pax.StackedRNN([pax.RNN(pax.GRU(3, 4))]),
        pax.CallError,
        "StackedRNN got a state of type tuple of 2; expected a tuple of 1, one state for each "
        "layer.",
        "give what this layer returned, or its initial_state(batch_size).",
        (X, (None, None)),
    ),
    Bad(
        lambda: pax.StackedRNN([pax.RNN(pax.GRU(3, 4))]),
        pax.CallError,
        "StackedRNN got a state of type GRUState; expected a tuple of 1, one state for each layer.",
        "give what this layer returned, or its initial_state(batch_size).",
        (X, pax.GRUState(normal(2, 4))),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()


def test_the_path_leads_to_the_cell_that_is_wrong() -> None:
    layer = pax.StackedRNN(
        [pax.Bidirectional(pax.GRU(3, 4), pax.GRU(3, 4)), pax.RNN(pax.GRU(4, 4))]
    )
    with pytest.raises(pax.ShapeError) as raised:
        layer(X)
    assert str(raised.value) == (
        "GRU(input_dim=4, hidden_dim=4) got input of shape (2, 8); expected (..., 4).\n"
        "  at: model.layers.1.cell\n"
        "  fix: the layer before gives 8 features; build this one with input_dim=8."
    )


def test_printed_form() -> None:
    assert repr(pax.RNN(pax.GRU(3, 4), reverse=True)) == "RNN(reverse=True)"
    assert repr(pax.Bidirectional(pax.GRU(3, 4), pax.GRU(3, 4), name="both")) == (
        "(both) Bidirectional"
    )
    assert repr(stacked(0.1)) == "StackedRNN(dropout_rate=0.1)"
    assert [line.lstrip() for line in both().summary(return_list=True)][:2] == [
        "Bidirectional",
        "├── RNN",
    ]
