"""The recurrent layer over cells of one's own, and what it refuses."""

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
    stepped,
    with_gradients,
)


class Sums(pax.Module):
    """A cell without weights; its state is a dict, its output a pair."""

    def initial_state(self, batch_size: int) -> Any:
        return {"sum": jnp.zeros((batch_size, 3)), "steps": jnp.array(0)}

    def __call__(self, state: Any, x: Any) -> Any:
        state = {"sum": state["sum"] + x, "steps": state["steps"] + 1}
        return state, (state["sum"], x)


class Gated(pax.ParameterModule):
    """A cell that says what its layer sees, and has an array besides."""

    input_layers = ("fc",)

    def __init__(self) -> None:
        super().__init__()
        self.fc = pax.Linear(3 + 4, 4)
        self.leak = normal(4)

    def initial_state(self, batch_size: int) -> Any:
        return jnp.zeros((batch_size, 4))

    def __call__(self, state: Any, x: Any) -> Any:
        state = jnp.tanh(self.fc(jnp.concatenate([x, state], -1))) + self.leak[None] * state
        return state, 2 * state


def test_any_module_with_the_two_methods() -> None:
    x = normal(2, 5, 3)
    state, (sums, same) = called(pax.RNN(Sums()), x)
    np.testing.assert_allclose(sums, np.cumsum(x, axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(state["sum"], sums[:, -1])
    assert state["steps"] == 5


def test_a_cell_that_says_what_its_layers_see() -> None:
    cell = Gated()
    given = cell, normal(2, 5, 3), normal(2, 4)
    assert products(layer, *given) == {0: [(5 * 2, 4)], 1: [(2, 4)]}
    assert_close(with_gradients(layer)(*given), with_gradients(stepped)(*given), 1e-6)


def test_a_cell_that_uses_the_input_besides_finds_no_numbers() -> None:
    class Residual(Gated):
        input_layers = ("fc",)

        def __call__(self, state: Any, x: Any) -> Any:
            state, y = super().__call__(state, x)
            return state, y + x[:, :1]

    assert np.isnan(called(pax.RNN(Residual()), normal(2, 5, 3))[1]).all()


class Twice(Gated):
    input_layers = ("fc",)

    def __call__(self, state: Any, x: Any) -> Any:
        return super().__call__(super().__call__(state, x)[0], x)


class Never(Gated):
    input_layers = ("fc",)

    def __call__(self, state: Any, x: Any) -> Any:
        return state, state


class Lazy(Gated):
    input_layers = ("fc",)
    state_layers = ("out",)

    def __init__(self) -> None:
        super().__init__()
        self.out = pax.Linear(4, 4)

    def __call__(self, state: Any, x: Any) -> Any:
        return super().__call__(state, x)


class Growing(Sums):
    def __call__(self, state: Any, x: Any) -> Any:
        return {**state, "sum": jnp.append(state["sum"], x, axis=-1)}, x


class Alone(Sums):
    def __call__(self, state: Any, x: Any) -> Any:
        return state["sum"]


class Forgetful(pax.LSTM):
    """A cell that drops a part of its state at each step, and counts the steps."""

    def __init__(self) -> None:
        super().__init__(3, 4)
        self.dropout = pax.Dropout(0.5)
        self.steps = pax.EMA(jnp.array(0), 0.0, allow_int=True)

    def __call__(self, state: Any, x: Any) -> Any:
        self.steps(self.steps.averages + 1)
        state, y = pax.LSTM.__call__(self, state, x)
        return state._replace(hidden=self.dropout(state.hidden)), y


def test_a_cell_that_changes_at_each_step() -> None:
    rnn, x = pax.RNN(Forgetful()), normal(2, 5, 3)
    after, (state, y) = jax.jit(pax.purecall)(rnn, x)
    cell, expected, ys = rnn.cell, rnn.initial_state(2), []
    for t in range(5):
        cell, (expected, y_t) = pax.purecall(cell, expected, x[:, t])
        ys.append(y_t)
    assert_close((state, y), (expected, jnp.stack(ys, 1)), 1e-6)
    np.testing.assert_array_equal(after.cell.dropout.rng_key, cell.dropout.rng_key)
    assert after.cell.steps.averages == 5


def test_a_cell_that_changes_at_each_step_says_so_outside_of_pure() -> None:
    with pytest.raises(pax.PurityError, match="would be lost") as raised:
        pax.RNN(Forgetful())(normal(2, 5, 3))
    assert "at: model.cell." in str(raised.value)


def test_a_cell_that_could_change_but_does_not() -> None:
    rnn, x = pax.RNN(Gated()), normal(2, 5, 3)
    found = products(lambda *given: pax.purecall(*given)[1], rnn, x)
    assert found == {0: [(5 * 2, 4)], 1: [(2, 4)]}
    rnn = pax.RNN(Forgetful()).eval()
    assert_close(called(rnn, x), stepped(rnn.cell, x, rnn.initial_state(2)), 0.0)


ZEROS = np.zeros((2, 5, 3), np.float32)


@each(
    Bad(
        lambda: pax.RNN(pax.Linear(3, 4)),
        pax.ArgumentError,
        "RNN got Linear(in_dim=3, out_dim=4, with_bias=True); expected a cell, a module with the "
        "methods initial_state and __call__.",
        "pass a cell: pax.RNN(pax.LSTM(64, 128)).",
    ),
    Bad(
        lambda: pax.RNN(pax.LSTM),
        pax.ArgumentError,
        "RNN got a ModuleMeta; expected a cell, a module with the methods initial_state and "
        "__call__.",
        "pass a cell: pax.RNN(pax.LSTM(64, 128)).",
    ),
    Bad(
        lambda: pax.RNN(pax.LSTM(3, 4)),
        pax.ShapeError,
        "RNN got input of shape (5, 3); expected (B, T, ...), a batch of sequences.",
        "add the batch axis with x[None]; for one step call the cell itself.",
        (ZEROS[0],),
    ),
    Bad(
        lambda: pax.RNN(pax.LSTM(3, 4)),
        pax.DtypeError,
        "RNN got input of type list; expected an array.",
        "convert it first: jnp.asarray(x).",
        ([[[1.0, 2.0, 3.0]]],),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()


@each(
    Bad(
        lambda: pax.LSTM(3, 4),
        pax.DtypeError,
        "LSTM(input_dim=3, hidden_dim=4) got input of dtype int32; expected a floating dtype.",
        "convert it first: x.astype(jnp.float32).",
        (ZEROS.astype(np.int32),),
    ),
    Bad(
        lambda: pax.LSTM(4, 4),
        pax.ShapeError,
        "LSTM(input_dim=4, hidden_dim=4) got input of shape (2, 3); expected (..., 4).",
        "the layer before gives 3 features; build this one with input_dim=3.",
        (ZEROS,),
    ),
    Bad(
        lambda: pax.LSTM(3, 4),
        pax.CallError,
        "LSTM(input_dim=3, hidden_dim=4) got a state of type GRUState; expected LSTMState.",
        "call it as `state, y = cell(state, x)`, first with cell.initial_state(batch_size).",
        (ZEROS, pax.GRUState(jnp.zeros((2, 4)))),
    ),
    Bad(
        lambda: pax.GRU(3, 4),
        pax.ShapeError,
        "GRU(input_dim=3, hidden_dim=4) got GRUState.hidden of shape (1, 4) with input of shape "
        "(2, 3); expected (2, 4).",
        "start with cell.initial_state(2).",
        (ZEROS, pax.GRUState(jnp.zeros((1, 4)))),
    ),
    Bad(
        Growing,
        pax.ShapeError,
        "Growing turned a state {'steps': ShapeDtypeStruct(shape=(), dtype=int32), 'sum': "
        "ShapeDtypeStruct(shape=(2, 3), dtype=float32)} into {'steps': ShapeDtypeStruct(shape=(), "
        "dtype=int32), 'sum': ShapeDtypeStruct(shape=(2, 6), dtype=float32)}; expected what it "
        "was.",
        "return a state of the structure, shapes and dtypes of the one before.",
        (ZEROS,),
    ),
    Bad(
        Alone,
        pax.CallError,
        "Alone returned ShapeDtypeStruct(shape=(2, 3), dtype=float32) from a step; expected a "
        "pair.",
        "return the state after the step and the output: return state, y.",
        (ZEROS,),
    ),
    Bad(
        Twice,
        pax.CallError,
        "Twice has fc in input_layers, which a step must call once each, and did not.",
        "name only layers that each step calls once, on [x, ...].",
        (ZEROS,),
    ),
    Bad(
        Lazy,
        pax.CallError,
        "Lazy has out in state_layers, which a step must call once each, and did not.",
        "name only layers that each step calls once.",
        (ZEROS,),
    ),
    Bad(
        Never,
        pax.CallError,
        "Never has fc in input_layers, which a step must call once each, and did not.",
        "name only layers that each step calls once, on [x, ...].",
        (ZEROS,),
    ),
)
def test_bad_steps(bad: Bad, unchecked: None) -> None:
    """The path leads to the cell."""
    with pytest.raises(bad.kind) as raised:
        Outer(pax.RNN(bad.make()))(*bad.inputs or ())
    where = {Growing: "", Alone: "", Never: "", Lazy: "", Twice: ".cell.fc"}.get(bad.make, ".cell")
    assert str(raised.value) == f"{bad.found}\n  at: model.reader{where}\n  fix: {bad.fix}"


class Outer(pax.Module):
    """Holds a layer."""

    def __init__(self, reader: Any) -> None:
        super().__init__()
        self.reader = reader

    def __call__(self, *inputs: Any) -> Any:
        return self.reader(*inputs)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: pax.LSTM(3, 4), ["fc"]),
        *(
            pytest.param(*given, marks=pytest.mark.slow)
            for given in [
                (lambda: pax.VanillaRNN(3, 4), ["fc"]),
                (lambda: pax.LSTM(3, 4, with_layer_norm=True, projection_dim=2), ["h_fc"]),
                (lambda: pax.GRU(3, 4), ["xh_zr_fc", "xh_h_fc"]),
                (lambda: pax.GRU(3, 4, reset_after=True), ["x_fc", "h_fc"]),
                (lambda: pax.MGU(3, 4), ["xh_h_fc"]),
                (lambda: pax.MinGRU(3, 4), ["fc"]),
                (lambda: pax.MinLSTM(3, 4), ["fc"]),
                (lambda: pax.DiagonalSSM(3, 4), ["input_projection"]),
                (lambda: pax.GatedLinearAttention(3, 2, 2), ["key_projection"]),
            ]
        ),
    ],
    ids=lambda value: "" if callable(value) else "-".join(value),
)
def test_layers_of_a_cell_may_be_wrapped(make: Any, names: list[str]) -> None:
    cell = make()
    wrapped = {name: pax.WeightNorm(getattr(cell, name)) for name in names}
    state, (x, fresh) = cell.initial_state(2), (normal(2, 1, 3), np.array([[True], [False]]))
    alike = pax.RNN(cell)(x, state, resets=fresh)
    found = pax.RNN(cell.replace(**wrapped))(x, resets=fresh)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, alike)


def test_printed_form() -> None:
    assert pax.RNN(pax.GRU(3, 4), name="reader").summary(return_list=True) == [
        "(reader) RNN",
        "└── GRU(input_dim=3, hidden_dim=4)",
        "    ├── Linear(in_dim=7, out_dim=8, with_bias=True)",
        "    └── Linear(in_dim=7, out_dim=4, with_bias=True)",
    ]
