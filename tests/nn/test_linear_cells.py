"""Cells that are linear in their state: all steps at once beside single steps and formulas."""

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

CELLS = {
    "MinGRU": lambda: pax.MinGRU(3, 4),
    "MinLSTM": lambda: pax.MinLSTM(3, 4),
    "DiagonalSSM": lambda: pax.DiagonalSSM(3, 2),
    "GatedLinearAttention": lambda: pax.GatedLinearAttention(3, 2, 4, 5),
}
OVER_CELLS = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
SLOWLY = {"MinLSTM", "DiagonalSSM", "GatedLinearAttention"}
MIN_GRU_FIRST = pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=name, marks=[pytest.mark.slow] if name in SLOWLY else [])
        for name, make in CELLS.items()
    ],
)
X = np.random.default_rng(0).standard_normal((2, 6, 3))


def random_state(cell: Any, dtype: Any = np.float32) -> Any:
    return normal(*cell.initial_state(2).shape, seed=7, dtype=dtype)


@MIN_GRU_FIRST
def test_all_steps_at_once_are_the_steps_one_by_one(make: Any) -> None:
    cell = randomized(make())
    given = cell, jnp.asarray(X, np.float32), random_state(cell)
    assert_close(with_gradients(layer)(*given), with_gradients(stepped)(*given), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 6, 40])
@OVER_CELLS
def test_in_float64(make: Any, steps: int) -> None:
    with jax.enable_x64(True):
        cell = randomized(make(), np.float64)
        x = normal(2, steps, 3, dtype=np.float64)
        given = cell, x, random_state(cell, np.float64)
        assert_close(with_gradients(layer)(*given), with_gradients(stepped)(*given), 1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True])
def test_in_blocks_of_steps(reverse: bool) -> None:
    cell = randomized(pax.MinGRU(3, 4))
    x, state = normal(2, 1536, 3), random_state(cell)
    by_steps = cell.replace_method(__call__=type(cell).__call__)
    marks = {"lengths": jnp.array([1536, 700]), "resets": normal(2, 1536, seed=3) > 2}

    def run(*given: Any) -> Any:
        return reading(reverse, marks, *given)

    assert products(run, cell, state, x) == {1: [(1024, 8)]}  # rows of a block
    found, expected = (with_gradients(run)(c, state, x) for c in (cell, by_steps))
    assert_close(found[0], expected[0], 1e-5)
    assert_close(*(jax.tree.leaves(gradients) for gradients in (found[1], expected[1])), 1e-5)


@MIN_GRU_FIRST
def test_no_product_is_left_in_the_loop(make: Any) -> None:
    cell = make()
    given = cell, jnp.asarray(X, np.float32), random_state(cell)
    assert set(products(layer, *given)) == {0}


@MIN_GRU_FIRST
def test_of_no_steps_and_no_rows(make: Any) -> None:
    cell = make()
    state = random_state(cell)
    after, y = called(pax.RNN(cell), jnp.zeros((2, 0, 3)), state)
    assert y.shape[:2] == (2, 0)
    np.testing.assert_array_equal(after, state)
    after, y = called(pax.RNN(cell), jnp.zeros((0, 5, 3)))
    assert (len(after), y.shape[:2]) == (0, (0, 5))


@pytest.mark.parametrize("reverse", [True, pytest.param(False, marks=pytest.mark.slow)])
@MIN_GRU_FIRST
def test_ragged_rows_and_episodes(make: Any, reverse: bool) -> None:
    cell = randomized(make())
    state, x = random_state(cell), jnp.asarray(X, np.float32)
    resets = jnp.asarray(np.random.default_rng(3).random((2, 6)) < 0.3)
    marks = {"lengths": jnp.array([6, 4]), "resets": resets}
    by_steps = cell.replace_method(__call__=type(cell).__call__)

    @jax.jit
    def run(cell: Any, state: Any, x: Any) -> Any:
        return with_gradients(lambda *given: reading(reverse, marks, *given))(cell, state, x)

    assert resets.any()
    found, expected = run(cell, state, x), run(by_steps, state, x)
    assert_close(found[0], expected[0], 1e-5)
    assert_close(*(jax.tree.leaves(gradients) for gradients in (found[1], expected[1])), 1e-5)


def reading(reverse: bool, marks: Any, cell: Any, state: Any, x: Any) -> Any:
    return pax.RNN(cell, reverse=reverse)(x, state, **marks)


def test_what_has_a_step_of_its_own_is_stepped() -> None:
    class Halved(pax.MinGRU):
        def __call__(self, state: Any, x: Any) -> Any:
            state, y = super().__call__(state, x)
            return state / 2, y

    cell, x = randomized(Halved(3, 4)), jnp.asarray(X, np.float32)
    state = random_state(cell)
    assert_close(called(pax.RNN(cell), x, state), stepped(cell, x, state), 1e-6)
    assert set(products(layer, cell, x, state)) == {1}


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def arrays(cell: Any) -> dict[str, np.ndarray]:
    """Returns the arrays of a cell by path, in float64."""
    found = jax.tree_util.tree_flatten_with_path(cell)[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(x, np.float64)
        for path, x in found
    }


def min_gru(p: dict[str, np.ndarray], h: Any, x: Any) -> Any:
    z, c = np.split(x @ p["fc.weight"] + p["fc.bias"], 2, -1)
    h = (1 - sigmoid(z)) * h + sigmoid(z) * c
    return h, h


def min_lstm(p: dict[str, np.ndarray], h: Any, x: Any) -> Any:
    f, i, c = np.split(x @ p["fc.weight"] + p["fc.bias"], 3, -1)
    h = (sigmoid(f) * h + sigmoid(i) * c) / (sigmoid(f) + sigmoid(i))
    return h, h


def diagonal_ssm(p: dict[str, np.ndarray], state: Any, x: Any) -> Any:
    rate = -np.exp(p["log_rate"]) + 1j * p["frequency"]
    decay = np.exp(rate * np.exp(p["log_step"]))
    b, c = p["input_projection.weight"], p["output_projection.weight"]
    b, c = b[:, :2] + 1j * b[:, 2:], c[:2] - 1j * c[2:]
    h = decay * (state[:, :2] + 1j * state[:, 2:]) + (decay - 1) / rate * (x @ b)
    return np.concatenate([h.real, h.imag], -1), (h @ c).real + p["skip"] * x


def gated_linear_attention(p: dict[str, np.ndarray], state: Any, x: Any) -> Any:
    q, k, v = (
        (x @ p[f"{name}_projection.weight"]).reshape(2, 2, -1) for name in ("query", "key", "value")
    )
    up = x @ p["decay_projections.0.weight"] @ p["decay_projections.1.weight"]
    decay = sigmoid(up + p["decay_projections.1.bias"]).reshape(2, 2, -1) ** (1 / 16)
    state = decay[..., None] * state + k[..., None] * v[:, :, None]
    o = np.einsum("bhk,bhkv->bhv", q / 2, state)
    o = (o - o.mean(-1, keepdims=True)) / np.sqrt(o.var(-1, keepdims=True) + 1e-5)
    o = (o * p["norm.scale"] + p["norm.offset"]).reshape(2, -1)
    gate = x @ p["gate_projection.weight"] + p["gate_projection.bias"]
    return state, (o * gate * sigmoid(gate)) @ p["output_projection.weight"]


FORMULAS = [min_gru, min_lstm, diagonal_ssm, gated_linear_attention]


@pytest.mark.parametrize(
    ("make", "formula"), list(zip(CELLS.values(), FORMULAS, strict=True)), ids=CELLS
)
def test_by_its_formula(make: Any, formula: Any) -> None:
    with jax.enable_x64(True):
        cell = randomized(make(), np.float64)
        state = random_state(cell, np.float64)
        found = called(cell, state, X[:, 0])
    for x, y in zip(found, formula(arrays(cell), np.asarray(state), X[:, 0]), strict=True):
        assert x.dtype == np.float64
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-10)


def test_gates_that_are_both_next_to_zero_still_sum_to_one() -> None:
    cell = pax.MinLSTM(1, 1)
    cell = cell.replace(fc=cell.fc.replace(bias=jnp.array([-200.0, -200.0, 3.0])))
    _, y = cell(jnp.ones((1, 1)), jnp.zeros((1, 1)))
    np.testing.assert_allclose(y, [[2.0]], rtol=1e-6)


def test_first_values_of_a_state_space_model() -> None:
    cell = pax.DiagonalSSM(3, 50, min_step=0.01, max_step=0.02)
    np.testing.assert_allclose(-np.exp(cell.log_rate), np.full(50, -0.5), rtol=1e-6)
    np.testing.assert_allclose(cell.frequency, np.pi * np.arange(50), rtol=1e-6)
    np.testing.assert_array_equal(cell.skip, np.ones(3))
    assert 0.01 <= np.exp(cell.log_step.min()) < 0.012 < 0.018 < np.exp(cell.log_step.max()) <= 0.02


ZEROS = np.zeros((2, 3), np.float32)


@each(
    Bad(
        lambda: pax.MinGRU(4, 4),
        pax.ShapeError,
        "MinGRU(input_dim=4, hidden_dim=4) got input of shape (2, 3); expected (..., 4).",
        "the layer before gives 3 features; build this one with input_dim=3.",
        (ZEROS, ZEROS),
    ),
    Bad(
        lambda: pax.MinLSTM(3, 4),
        pax.ShapeError,
        "MinLSTM(input_dim=3, hidden_dim=4) got a state of shape (2, 3) with input of shape "
        "(2, 3); expected (2, 4).",
        "start with cell.initial_state(2).",
        (ZEROS, ZEROS),
    ),
    Bad(
        lambda: pax.GatedLinearAttention(3, 2, 4),
        pax.DtypeError,
        "GatedLinearAttention(input_dim=3, num_heads=2, key_size=4) got a state of type NoneType; "
        "expected an array.",
        "convert it first: jnp.asarray(x).",
        (None, ZEROS),
    ),
    Bad(
        lambda: pax.DiagonalSSM(3, 4, min_step=0.5, max_step=0.2),
        pax.ArgumentError,
        "DiagonalSSM got min_step=0.5 and max_step=0.2; expected a range.",
        "swap them: min_step=0.2, max_step=0.5.",
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()


def test_bad_input_of_a_sequence(unchecked: None) -> None:
    with pytest.raises(pax.ShapeError) as raised:
        pax.RNN(pax.DiagonalSSM(4, 4))(np.zeros((2, 5, 3), np.float32))
    assert str(raised.value) == (
        "DiagonalSSM(input_dim=4, state_dim=4) got input of shape (5, 2, 3); expected (..., 4).\n"
        "  at: model\n"
        "  fix: the layer before gives 3 features; build this one with input_dim=3."
    )
