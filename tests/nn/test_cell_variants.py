"""Options of the recurrent cells, and the cells beside them: over time, by hand, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called
from tests.nn.sequences import (
    assert_close,
    layer,
    normal,
    products,
    randomized,
    stepped,
    with_gradients,
)

CELLS: dict[str, Any] = {
    "all of the LSTM": lambda: pax.LSTM(
        3, 4, projection_dim=2, with_peephole=True, with_layer_norm=True, forget_gate_bias=1.0
    ),
    "GRU, reset after": lambda: pax.GRU(3, 4, reset_after=True),
    "LSTM, projection": lambda: pax.LSTM(3, 4, projection_dim=2),
    "LSTM, peephole": lambda: pax.LSTM(3, 4, with_peephole=True),
    "LSTM, layer norms": lambda: pax.LSTM(3, 4, with_layer_norm=True),
    "VanillaRNN, silu": lambda: pax.VanillaRNN(3, 4, activation=jax.nn.silu),
    "MGU": lambda: pax.MGU(3, 4),
}
#: For each cell: widths of the products with the input, and with the state.
WIDTHS = {
    "all of the LSTM": ([16], [16, 2]),
    "GRU, reset after": ([12], [12]),
    "LSTM, projection": ([16], [16, 2]),
    "LSTM, peephole": ([16], [16]),
    "LSTM, layer norms": ([16], [16]),
    "VanillaRNN, silu": ([4], [4]),
    "MGU": ([4, 4], [4, 4]),
}


def states(cell: Any, batch: int, dtype: Any = np.float32) -> Any:
    return jax.tree.map(lambda x: normal(*x.shape, seed=3, dtype=dtype), cell.initial_state(batch))


@pytest.mark.slow  # the quick suite holds the GRU and all of the LSTM to torch
@pytest.mark.parametrize("time", [5, 384])
@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
def test_the_layer_equals_stepping_the_cell_gradients_too(make: Any, time: int) -> None:
    with jax.enable_x64(True):
        cell = randomized(make(), np.float64)
        given = cell, normal(8, time, 3, dtype=np.float64), states(cell, 8, np.float64)
        assert_close(with_gradients(layer)(*given), with_gradients(stepped)(*given), 1e-12)


@pytest.mark.parametrize("name", CELLS)
def test_the_products_with_the_input_are_before_the_loop(name: str) -> None:
    cell, (before, inside) = CELLS[name](), WIDTHS[name]
    given = cell, normal(2, 6, 3), cell.initial_state(2)
    assert products(layer, *given) == {
        0: [(6 * 2, width) for width in before],
        1: [(2, width) for width in inside],
    }


@pytest.mark.parametrize("name", CELLS)
def test_no_gradient_of_a_weight_is_in_the_loop(name: str) -> None:
    cell = CELLS[name]()
    step = jax.grad(lambda *given: sum(x.sum() for x in jax.tree.leaves(layer(*given))))
    found = products(step, cell, normal(11, 6, 3), cell.initial_state(11))
    assert found[1]
    assert all(11 in shape for shape in found[1])  # that of a weight would be a sum over the batch


def test_the_peephole_sees_the_cell_of_the_gate() -> None:
    """i and f see the cell before, o the cell after."""
    cell = pax.LSTM(1, 1, with_peephole=True)
    cell = cell.replace(
        fc=cell.fc.replace(weight=jnp.zeros((2, 4)), bias=jnp.array([0.1, 0.2, 0.3, 0.4])),
        peephole=jnp.array([[2.0], [-1.0], [0.5]]),
    )
    state, y = called(cell, pax.LSTMState(jnp.zeros((1, 1)), jnp.array([[0.7]])), jnp.ones((1, 1)))

    def sigmoid(x: float) -> float:
        return 1 / (1 + np.exp(-x))

    memory = sigmoid(0.3 - 0.7) * 0.7 + sigmoid(0.1 + 2 * 0.7) * np.tanh(0.2)
    np.testing.assert_allclose(state.cell, [[memory]], rtol=1e-6)
    np.testing.assert_allclose(y, [[sigmoid(0.4 + 0.5 * memory) * np.tanh(memory)]], rtol=1e-6)


def test_what_starts_as_the_plain_cell() -> None:
    key, x = jax.random.PRNGKey(3), normal(2, 3)
    plain, peeping = (pax.LSTM(3, 4, rng_key=key, with_peephole=on) for on in (False, True))
    assert_close(peeping.fc.weight, plain.fc.weight, 0.0)
    state = states(plain, 2)
    assert_close(called(peeping, state, x), called(plain, state, x), 1e-6)
    assert plain.peephole is plain.projection is plain.x_fc is plain.cell_norm is None
    assert pax.GRU(3, 4).x_fc is pax.GRU(3, 4, reset_after=True).xh_h_fc is None


def test_initial_values_come_from_the_key() -> None:
    key, init = jax.random.PRNGKey(3), pax.initializers.lecun_normal()
    first, second, third = jax.random.split(key, 3)
    lstm = pax.LSTM(3, 4, projection_dim=2, with_layer_norm=True, rng_key=key)
    np.testing.assert_array_equal(lstm.x_fc.weight, init(first, (3, 16)))
    np.testing.assert_array_equal(lstm.h_fc.weight, init(second, (2, 16)))
    np.testing.assert_array_equal(lstm.projection.weight, init(third, (4, 2)))
    gru, (first, second) = pax.GRU(3, 4, reset_after=True, rng_key=key), jax.random.split(key)
    np.testing.assert_array_equal(gru.x_fc.weight, init(first, (3, 12)))
    np.testing.assert_array_equal(gru.h_fc.weight, init(second, (4, 12)))


def test_the_state_of_a_projection() -> None:
    start = pax.LSTM(3, 4, projection_dim=2).initial_state(5)
    assert (start.hidden.shape, start.cell.shape) == ((5, 2), (5, 4))


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "time"), [(0, 2), (2, 0), (1, 1)])
def test_images_over_time_are_the_steps(batch: int, time: int) -> None:
    cell = randomized(pax.ConvLSTM((4, 3), 2, 3))
    given = normal(batch, time, 4, 3), states(cell, batch)
    state, y = called(pax.RNN(cell), *given)
    assert y.shape == (batch, time, 4, 2)
    if time:
        assert_close((state, y), jax.jit(stepped)(cell, *given), 1e-6)


def test_images_of_any_number_of_axes() -> None:
    for axes in ((4,), (4, 3), (4, 3, 2)):
        cell = pax.ConvLSTM((*axes, 3), 2, 3)
        state, y = jax.eval_shape(cell, cell.initial_state(5), normal(5, *axes, 3))
        assert y.shape == state.hidden.shape == state.cell.shape == (5, *axes, 2)


ZEROS = np.zeros((2, 3), np.float32)
IMAGES = np.zeros((2, 5, 4, 3), np.float32)


@each(
    Bad(
        lambda: pax.LSTM(3, 4, projection_dim=0),
        pax.ArgumentError,
        "LSTM got projection_dim=0; expected an integer of at least 1.",
        "set projection_dim to a positive integer.",
    ),
    Bad(
        lambda: pax.LSTM(3, 4, with_peephole=1),  # type: ignore[arg-type]
        pax.ArgumentError,
        "LSTM got with_peephole of type int; expected True or False.",
        "write with_peephole=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.GRU(3, 4, reset_after="yes"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "GRU got reset_after of type str; expected True or False.",
        "write reset_after=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.VanillaRNN(3, 4, activation="relu"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "VanillaRNN got activation of type str, which cannot be called.",
        "pass a function of an array: activation=jax.nn.relu.",
    ),
    Bad(
        lambda: pax.LSTM(3, 4, projection_dim=2),
        pax.ShapeError,
        "LSTM(input_dim=3, hidden_dim=4, projection_dim=2) got LSTMState.hidden of shape (2, 4) "
        "with input of shape (2, 3); expected (2, 2).",
        "start with cell.initial_state(2).",
        (pax.LSTMState(np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32)), ZEROS),
    ),
    Bad(
        lambda: pax.functional.lstm_step(
            np.zeros((2, 16), np.float32), np.zeros((2, 4), np.float32), peephole=ZEROS
        ),
        pax.ShapeError,
        "lstm_step got peephole of shape (2, 3) and cell of shape (2, 4); expected (3, 4).",
        "give one weight for each of the gates input, forget and output, and each entry.",
    ),
    Bad(
        lambda: pax.ConvLSTM(3, 4, 3),  # type: ignore[arg-type]
        pax.ArgumentError,
        "ConvLSTM got input_shape=3; expected sizes and channels.",
        "write input_shape=(64, 64, 3) for images of 64 x 64 with 3 channels.",
    ),
    Bad(
        lambda: pax.ConvLSTM((5, 0, 3), 4, 3),
        pax.ArgumentError,
        "ConvLSTM got input_shape=(5, 0, 3); expected a positive integer or 3 of them.",
        "write input_shape=3 or input_shape=(3, 3, 3).",
    ),
    Bad(
        lambda: pax.ConvLSTM((5, 4, 2), 4, 3),
        pax.ShapeError,
        "ConvLSTM(input_shape=(5, 4, 2), out_features=4, kernel_shape=(3, 3)) got input of shape "
        "(2, 5, 4, 3); expected (B, 5, 4, 2).",
        "build the cell with input_shape=(5, 4, 3).",
        (None, IMAGES),
    ),
    Bad(
        lambda: pax.ConvLSTM((5, 4, 3), 4, 3),
        pax.ShapeError,
        "ConvLSTM(input_shape=(5, 4, 3), out_features=4, kernel_shape=(3, 3)) got input of shape "
        "(5, 4, 3); expected (B, 5, 4, 3).",
        "a step takes a batch, channels last; a sequence goes through pax.RNN(cell).",
        (None, IMAGES[0]),
    ),
    Bad(
        lambda: pax.ConvLSTM((5, 4, 3), 4, 3),
        pax.CallError,
        "ConvLSTM(input_shape=(5, 4, 3), out_features=4, kernel_shape=(3, 3)) got a state of type "
        "NoneType; expected LSTMState.",
        "call it as `state, y = cell(state, x)`, first with cell.initial_state(batch_size).",
        (None, IMAGES),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()


def test_printed_form() -> None:
    assert repr(CELLS["all of the LSTM"]()) == (
        "LSTM(input_dim=3, hidden_dim=4, projection_dim=2, with_peephole=True, "
        "with_layer_norm=True)"
    )
    assert (
        repr(pax.GRU(3, 4, reset_after=True)) == "GRU(input_dim=3, hidden_dim=4, reset_after=True)"
    )
    assert repr(pax.VanillaRNN(3, 4, activation=jax.nn.relu)) == (
        "VanillaRNN(input_dim=3, hidden_dim=4, activation=relu)"
    )
