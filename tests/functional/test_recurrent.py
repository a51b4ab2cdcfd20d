"""One step of each recurrent cell, on numbers small enough to follow."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import DtypeError, ShapeError
from pax.functional import gru_gates, gru_step, lstm_step, vanilla_rnn_step
from tests.functional.messages import message


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_vanilla_rnn() -> None:
    y = vanilla_rnn_step(jnp.array([[0.3, -2.0]]))
    np.testing.assert_allclose(y, [[math.tanh(0.3), math.tanh(-2.0)]], rtol=1e-6)


def test_lstm_gates_are_input_candidate_forget_output() -> None:
    gates = jnp.array([[0.1, 0.2, -0.3, 0.4]])
    hidden, cell = lstm_step(gates, jnp.array([[2.0]]), forget_gate_bias=1.5)
    new_cell = sigmoid(-0.3 + 1.5) * 2.0 + sigmoid(0.1) * math.tanh(0.2)
    np.testing.assert_allclose(cell, [[new_cell]], rtol=1e-6)
    np.testing.assert_allclose(hidden, [[sigmoid(0.4) * math.tanh(new_cell)]], rtol=1e-6)


def test_lstm_in_half_precision_loses_only_the_last_bits_of_its_results() -> None:
    # the gates are computed in float32: as a tanh in bfloat16, a small one would be all rounding
    gates, cell = jnp.array([[-5.0, 3.0, -6.0, -4.0]]), jnp.array([[2.0]])
    wide = lstm_step(gates, cell)
    half = lstm_step(gates.astype(jnp.bfloat16), cell.astype(jnp.bfloat16))
    for x, y in zip(half, wide, strict=True):
        assert x.dtype == jnp.bfloat16
        np.testing.assert_allclose(x.astype(jnp.float32), y, rtol=2.0**-8)


def test_gru_gates_are_update_reset() -> None:
    update, reset = gru_gates(jnp.array([[0.5, -0.5, 2.0, 3.0]]))
    np.testing.assert_allclose(update, [[sigmoid(0.5), sigmoid(-0.5)]], rtol=1e-6)
    np.testing.assert_allclose(reset, [[sigmoid(2.0), sigmoid(3.0)]], rtol=1e-6)


def test_gru_update_takes_the_candidate() -> None:
    y = gru_step(jnp.array([3.0]), jnp.array([0.25]), jnp.array([0.7]))
    np.testing.assert_allclose(y, [0.75 * 3.0 + 0.25 * math.tanh(0.7)], rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize("lead", [(), (0,), (2, 3)])
def test_any_leading_axes_and_dtype(lead: tuple[int, ...], dtype: jnp.dtype) -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal((*lead, 8)), dtype)

    @jax.jit
    def run(x: jax.Array) -> list[jax.Array]:
        return [
            vanilla_rnn_step(x[..., :2]),
            *lstm_step(x, x[..., :2]),
            *gru_gates(x[..., :4]),
            gru_step(x[..., :2], x[..., 2:4], x[..., 4:6]),
        ]

    outputs = run(x)
    assert [(y.shape, y.dtype) for y in outputs] == [((*lead, 2), dtype)] * len(outputs)


def test_errors() -> None:
    assert message(ShapeError, lambda: lstm_step(jnp.ones((2, 6)), jnp.ones((2, 2)))) == (
        "lstm_step got gates of shape (2, 6) and cell of shape (2, 2); expected "
        "(..., 4 * hidden_dim) and (..., hidden_dim).\n"
        "  fix: make the gates by a dense layer from [x, hidden] to 4 * hidden_dim."
    )
    assert message(ShapeError, lambda: gru_gates(jnp.ones((2, 3)))) == (
        "gru_gates got gates of shape (2, 3); expected (..., 2 * hidden_dim).\n"
        "  fix: make the gates by a dense layer from [x, hidden] to 2 * hidden_dim."
    )
    # an update gate of width one would broadcast
    wide, narrow = jnp.ones((2, 4)), jnp.ones((2, 1))
    assert message(ShapeError, lambda: gru_step(wide, narrow, wide)) == (
        "gru_step got hidden (2, 4), update (2, 1), candidate (2, 4); expected equal shapes.\n"
        "  fix: make gate and candidate by dense layers to the width of hidden."
    )
    assert message(DtypeError, lambda: vanilla_rnn_step(jnp.arange(2))) == (
        "vanilla_rnn_step got gates of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. gates.astype(jnp.float32)."
    )
