"""The recurrent cells: numbers by hand, states, edges, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called

CELLS: dict[Any, tuple[Any, tuple[str, ...]]] = {
    pax.VanillaRNN: (pax.VanillaRNNState, ("hidden",)),
    pax.LSTM: (pax.LSTMState, ("hidden", "cell")),
    pax.GRU: (pax.GRUState, ("hidden",)),
}
OVER_CELLS = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.__name__)
X = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)


def sigmoid(x: float) -> float:
    """Returns the logistic function."""
    return 1 / (1 + np.exp(-x))


def logit(p: float) -> float:
    """Returns the number whose logistic function is p."""
    return float(np.log(p / (1 - p)))


def dense(*columns: tuple[float, float, float]) -> pax.Linear:
    """Returns a layer of [x, hidden], each column a weight of x, one of hidden, and a bias."""
    weight_and_bias = jnp.asarray(np.array(columns, np.float32).T)
    layer = pax.Linear(2, len(columns))
    return layer.replace(weight=weight_and_bias[:2], bias=weight_and_bias[2])


def test_vanilla_rnn_by_hand() -> None:
    cell = pax.VanillaRNN(1, 1).replace(fc=dense((2.0, -1.0, 0.25)))
    state, y = called(cell, pax.VanillaRNNState(jnp.array([[0.5]])), jnp.array([[1.0]]))
    np.testing.assert_allclose(y, [[np.tanh(2 - 0.5 + 0.25)]], rtol=1e-6)
    np.testing.assert_array_equal(state.hidden, y)


def test_lstm_by_hand() -> None:
    # gates whatever x and hidden: input 0.25, candidate tanh(0.5), forget 0.5, output 0.75
    fc = dense((0, 0, logit(0.25)), (0, 0, 0.5), (0, 0, -1.0), (0, 0, logit(0.75)))
    cell = pax.LSTM(1, 1, forget_gate_bias=1.0).replace(fc=fc)
    state, y = called(
        cell, pax.LSTMState(jnp.array([[9.0]]), jnp.array([[2.0]])), jnp.array([[3.0]])
    )
    memory = 0.5 * 2 + 0.25 * np.tanh(0.5)
    np.testing.assert_allclose(state.cell, [[memory]], rtol=1e-6)
    np.testing.assert_allclose(y, [[0.75 * np.tanh(memory)]], rtol=1e-6)
    np.testing.assert_array_equal(state.hidden, y)


def test_lstm_gates_see_input_and_hidden() -> None:
    cell = pax.LSTM(1, 1).replace(fc=dense((1, 2, 3), (4, 5, 6), (7, -8, 9), (-1, 1, 1)))
    x, h, c = 0.1, -0.2, 0.3
    state, _ = called(cell, *jax.tree.map(lambda a: jnp.full((1, 1), a), (pax.LSTMState(h, c), x)))
    i, g, f, o = x + 2 * h + 3, 4 * x + 5 * h + 6, 7 * x - 8 * h + 9, -x + h + 1
    memory = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    np.testing.assert_allclose(state.cell, [[memory]], rtol=1e-6)
    np.testing.assert_allclose(state.hidden, [[sigmoid(o) * np.tanh(memory)]], rtol=1e-6)


def test_gru_by_hand() -> None:
    # update 0.25, reset 0.5, and a candidate that sees the reset hidden state
    gates = dense((0, 0, logit(0.25)), (0, 0, 0))
    cell = pax.GRU(1, 1).replace(xh_zr_fc=gates, xh_h_fc=dense((2.0, 3.0, -1.0)))
    state, y = called(cell, pax.GRUState(jnp.array([[0.5]])), jnp.array([[1.0]]))
    expected = 0.75 * 0.5 + 0.25 * np.tanh(2 + 3 * 0.25 - 1)
    np.testing.assert_allclose(y, [[expected]], rtol=1e-6)
    np.testing.assert_array_equal(state.hidden, y)


@OVER_CELLS
def test_the_initial_state_is_zero(cell: Any) -> None:
    kind, fields = CELLS[cell]
    state = cell(3, 4).initial_state(2)
    assert type(state) is kind
    assert state._fields == fields
    for x in state:
        np.testing.assert_array_equal(x, np.zeros((2, 4), np.float32))
    assert cell(3, 4).initial_state(0)[0].shape == (0, 4)


@OVER_CELLS
def test_the_state_has_the_dtype_of_the_weights(cell: Any) -> None:
    half = cell(3, 4).map(lambda x: x.astype(jnp.bfloat16))
    state, y = called(half, half.initial_state(2), jnp.asarray(X, jnp.bfloat16))
    assert {x.dtype for x in (y, *state, *half.initial_state(2))} == {jnp.dtype(jnp.bfloat16)}


@OVER_CELLS
def test_one_example_at_a_time(cell: Any) -> None:
    rnn = cell(3, 4)
    state = jax.tree.map(lambda x: x + 0.5, rnn.initial_state(2))
    states, ys = called(rnn, state, X)
    first, y = called(rnn, jax.tree.map(lambda x: x[0], state), X[0])
    np.testing.assert_allclose(y, ys[0], rtol=1e-6)
    mapped, mapped_ys = jax.jit(jax.vmap(rnn))(state, X)
    np.testing.assert_allclose(mapped_ys, ys, rtol=1e-6)
    for a, b, c in zip(states, mapped, first, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
        np.testing.assert_allclose(a[0], c, rtol=1e-6)


@OVER_CELLS
@pytest.mark.parametrize("batch", [0, 1])
def test_edge_shapes(cell: Any, batch: int) -> None:
    rnn = cell(1, 1)
    state, y = called(rnn, rnn.initial_state(batch), jnp.zeros((batch, 1)))
    assert {x.shape for x in (y, *state)} == {(batch, 1)}


@OVER_CELLS
def test_a_scan_over_time_equals_a_loop(cell: Any) -> None:
    rnn = cell(3, 4)
    xs = np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)
    last, ys = pax.scan(rnn, rnn.initial_state(2), xs, time_major=False)
    assert ys.shape == (2, 5, 4)
    state = rnn.initial_state(2)
    for t in range(5):
        state, y = called(rnn, state, xs[:, t])
        np.testing.assert_allclose(ys[:, t], y, rtol=1e-5, atol=1e-6)
    for a, b in zip(last, state, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_initial_values_come_from_the_key() -> None:
    key, init = jax.random.PRNGKey(3), pax.initializers.lecun_normal()
    rnn, lstm = pax.VanillaRNN(3, 4, rng_key=key), pax.LSTM(3, 4, rng_key=key)
    np.testing.assert_array_equal(rnn.fc.weight, init(key, (7, 4)))
    np.testing.assert_array_equal(lstm.fc.weight, init(key, (7, 16)))
    gru, (zr_key, h_key) = pax.GRU(3, 4, rng_key=key), jax.random.split(key)
    np.testing.assert_array_equal(gru.xh_zr_fc.weight, init(zr_key, (7, 8)))
    np.testing.assert_array_equal(gru.xh_h_fc.weight, init(h_key, (7, 4)))
    for fc in (rnn.fc, lstm.fc, gru.xh_zr_fc, gru.xh_h_fc):
        np.testing.assert_array_equal(fc.bias, np.zeros(fc.out_dim))


@OVER_CELLS
def test_without_a_key_each_dense_layer_takes_the_next_of_the_stream(cell: Any) -> None:
    pax.seed_rng_key(7)
    found = cell(3, 4)
    pax.seed_rng_key(7)
    for fc in found.submodules():
        expected = pax.Linear(fc.in_dim, fc.out_dim)
        np.testing.assert_array_equal(fc.weight, expected.weight)


def test_own_initial_values() -> None:
    key, init = jax.random.PRNGKey(3), pax.initializers.normal(0.5)
    lstm = pax.LSTM(3, 4, init, rng_key=key)
    np.testing.assert_array_equal(lstm.fc.weight, init(key, (7, 16)))


@OVER_CELLS
def test_printed_form(cell: Any) -> None:
    name = cell.__name__
    lines = cell(3, 4, name="cell").summary(return_list=True)
    assert lines[0] == f"(cell) {name}(input_dim=3, hidden_dim=4)"
    assert len(lines) == (3 if name == "GRU" else 2)


ZEROS = np.zeros((2, 4), np.float32)


def given(cell: Any, last: Any = ZEROS) -> Any:
    """Returns a state of zeros, its last part replaced."""
    kind, fields = CELLS[cell]
    return kind(*[ZEROS] * (len(fields) - 1), last)


def text(cell: Any) -> str:
    """Returns the printed form of a cell."""
    return f"{cell.__name__}(input_dim=3, hidden_dim=4)"


def arguments(cell: Any) -> list[Bad]:
    """Returns what every constructor and every initial state refuses."""

    def batch_size(value: Any) -> Bad:
        return Bad(
            lambda: cell(3, 4).initial_state(value),
            pax.ArgumentError,
            f"{cell.__name__}.initial_state got batch_size={value!r}; expected an integer of at "
            "least 0.",
            "write batch_size=1.",
        )

    return [
        *map(batch_size, [-1, 2.0, (2, 4)]),
        Bad(
            lambda: cell(0, 4),
            pax.ArgumentError,
            f"{cell.__name__} got input_dim=0; expected an integer of at least 1.",
            "set input_dim to a positive integer.",
        ),
        Bad(
            lambda: cell(3, -4),
            pax.ArgumentError,
            f"{cell.__name__} got hidden_dim=-4; expected an integer of at least 1.",
            "set hidden_dim to a positive integer.",
        ),
    ]


def inputs(cell: Any) -> list[Bad]:
    """Returns the inputs that every cell refuses."""
    return [
        Bad(
            lambda: cell(3, 4),
            pax.DtypeError,
            f"{text(cell)} got input of type list; expected an array.",
            "convert it first: jnp.asarray(x).",
            (given(cell), [1.0, 2.0, 3.0]),
        ),
        Bad(
            lambda: cell(3, 4),
            pax.DtypeError,
            f"{text(cell)} got input of dtype int32; expected a floating dtype.",
            "convert it first: x.astype(jnp.float32).",
            (given(cell), X.astype(np.int32)),
        ),
        Bad(
            lambda: cell(3, 4),
            pax.ShapeError,
            f"{text(cell)} got input of shape (2, 5); expected (..., 3).",
            "the layer before gives 5 features; build this one with input_dim=5.",
            (given(cell), np.zeros((2, 5), np.float32)),
        ),
    ]


def states(cell: Any) -> list[Bad]:
    """Returns the states that every cell refuses."""
    kind, fields = CELLS[cell]
    last = f"{kind.__name__}.{fields[-1]}"

    def state(kind: Any, found: str, fix: str, *inputs: Any) -> Bad:
        return Bad(lambda: cell(3, 4), kind, f"{text(cell)} got {found}.", fix, inputs)

    return [
        state(
            pax.CallError,
            f"a state of type ndarray; expected {kind.__name__}",
            "call it as `state, y = cell(state, x)`, first with cell.initial_state(batch_size).",
            ZEROS,
            X,
        ),
        state(
            pax.DtypeError,
            f"{last} of type NoneType; expected an array",
            "convert it first: jnp.asarray(x).",
            given(cell, None),
            X,
        ),
        state(
            pax.DtypeError,
            f"{last} of dtype int32; expected a floating dtype",
            "convert it first: x.astype(jnp.float32).",
            given(cell, ZEROS.astype(np.int32)),
            X,
        ),
        state(
            pax.ShapeError,
            f"{last} of shape (5, 4) with input of shape (2, 3); expected (2, 4)",
            "start with cell.initial_state(2).",
            given(cell, np.zeros((5, 4), np.float32)),
            X,
        ),
        state(
            pax.ShapeError,
            f"{kind.__name__}.hidden of shape (2, 4) with input of shape (3,); expected (4,)",
            "give state and input the same batch axes.",
            given(cell),
            X[0],
        ),
    ]


@each(*[case for cell in CELLS for case in arguments(cell) + inputs(cell) + states(cell)])
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()


@each(
    Bad(
        lambda: pax.LSTM(3, 4, "normal"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "LSTM got w_init of type str, which cannot be called.",
        "pass a function of (rng_key, shape): w_init=jax.nn.initializers.normal(0.02).",
    ),
    Bad(
        lambda: pax.LSTM(3, 4, forget_gate_bias=None),  # type: ignore[arg-type]
        pax.ArgumentError,
        "LSTM got forget_gate_bias=None; expected a finite number.",
        "write forget_gate_bias=1.0.",
    ),
)
def test_bad_arguments_of_the_lstm(bad: Bad, unchecked: None) -> None:
    bad.check()
