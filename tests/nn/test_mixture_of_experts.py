"""Mixtures of experts: values by hand, dropped choices, the loss, memory and errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

SLOW = pytest.mark.slow
DISPATCH = pytest.mark.parametrize("dispatch", ["sorted", pytest.param("dense", marks=SLOW)])
#: What an expert multiplies by.
FACTORS = jnp.array([1.0, 10.0, 100.0])


def mixture(**options: Any) -> Any:
    """Builds three experts of tokens of three numbers, which are the logits of the experts."""
    layer: Any = pax.MixtureOfExperts(3, 3, lambda: pax.Linear(3, 3, False), **options)
    weight = FACTORS[:, None, None] * jnp.eye(3)[None]
    stacked = layer.experts.stacked.replace(weight=weight)
    return layer.replace(
        router=layer.router.replace(weight=jnp.eye(3)),
        experts=layer.experts.replace(stacked=stacked),
    )


def softmax(*logits: float) -> np.ndarray:
    powers = np.exp(logits)
    return powers / powers.sum()


@DISPATCH
def test_one_token_by_hand(dispatch: str) -> None:
    x = np.array([0.0, 2.0, 1.0], np.float32)
    y = mixture(dispatch=dispatch).eval()(x)
    of_1, of_2 = softmax(2.0, 1.0)
    np.testing.assert_allclose(y, (10 * of_1 + 100 * of_2) * x, rtol=1e-6)
    y = mixture(dispatch=dispatch, top_k=1, normalize_gates=False).eval()(x)
    np.testing.assert_allclose(y, 10 * softmax(0.0, 2.0, 1.0)[1] * x, rtol=1e-6)


@DISPATCH
def test_first_choices_go_before_second_ones(dispatch: str) -> None:
    """An expert takes ceil(0.75 * 3 * 2 / 3) = 2 choices; expert 1 gets three, expert 0 two."""
    x = np.array([[0.0, 2.0, 1.0], [1.5, 1.0, 0.0], [0.5, 1.0, 0.0]], np.float32)
    y = mixture(dispatch=dispatch, capacity_factor=0.75).eval()(x)
    gates = [softmax(2.0, 1.0), softmax(1.5, 1.0), softmax(1.0, 0.5)]
    factors = [10 * gates[0][0] + 100 * gates[0][1], gates[1][0], 10 * gates[2][0] + gates[2][1]]
    np.testing.assert_allclose(y, np.array(factors)[:, None] * x, rtol=1e-5)


def test_the_loss_is_one_where_the_work_is_equal_and_more_elsewhere() -> None:
    layer = mixture(top_k=1, normalize_gates=False)
    layer, _ = pax.purecall(layer, 3 * np.eye(3, dtype=np.float32))
    np.testing.assert_allclose(layer.balance_loss, 1.0, rtol=1e-6)
    layer, _ = pax.purecall(layer, np.array([[3.0, 0, 0]] * 4, np.float32))
    np.testing.assert_allclose(layer.balance_loss, 3 * softmax(3.0, 0.0, 0.0)[0], rtol=1e-6)


@pytest.mark.parametrize("remat", [None, pytest.param(True, marks=SLOW)])
def test_the_loss_reaches_the_router_and_is_kept_by_each_layer_of_a_stack(remat: Any) -> None:
    x = jax.random.normal(jax.random.key(0), (2, 5, 3))

    def loss(net: Any) -> Any:
        net, _ = pax.purecall(net, x)
        return net.stacked.module.balance_loss.sum(), net

    net = pax.Stack(lambda: pax.Residual(mixture()), 2, remat)
    gradient, new = jax.jit(pax.grad(loss, has_aux=True))(net)
    assert new.stacked.module.balance_loss.shape == (2,)
    of_router, of_experts = jax.tree.leaves(gradient.stacked.module.parameters())
    assert (np.abs(of_router).max(axis=(1, 2)) > 1e-3).all()
    assert not of_experts[1].any()  # nothing counts the tokens after the last layer


@DISPATCH
def test_no_tokens(dispatch: str) -> None:
    layer, y = pax.purecall(mixture(dispatch=dispatch, capacity_factor=1.0), jnp.ones((2, 0, 3)))
    assert y.shape == (2, 0, 3)
    assert layer.balance_loss == 0


@SLOW
def test_memory_grows_with_the_choices_only() -> None:
    """Of 16 experts a token takes two: in blocks they need no more memory than one of four."""
    x = jax.ShapeDtypeStruct((512, 32), jnp.float32)

    def temporary(num_experts: int) -> int:
        layer = pax.MixtureOfExperts(
            32, num_experts, lambda: pax.MLP((32, 256, 32)), dispatch="sorted"
        ).eval()
        loss = lambda layer, x: (layer(x) ** 2).sum()  # noqa: E731
        compiled = jax.jit(pax.grad(loss)).lower(layer, x).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    one = 4 * (2 * 32 * 256 + 256 + 32)  # an expert's weights
    few, many = temporary(4), temporary(16)
    assert many - few < 16 * one
    assert many < 512 * 16 * 256 * 4 / 2  # half of all experts over all tokens


def test_state_dicts_name_the_experts_one_by_one() -> None:
    layer = mixture()
    saved = layer.state_dict()
    assert [sorted(expert) for expert in saved["experts"]] == [["weight"]] * 3
    again = mixture().load_state_dict(saved)
    np.testing.assert_array_equal(again.experts[2].weight, 100 * np.eye(3))


def mean(x: Any) -> Any:
    return x.mean(axis=0)


def wrong_expert() -> Any:
    """Builds experts that return one vector for all tokens."""
    return pax.MixtureOfExperts(3, 2, lambda: pax.Lambda(mean)).eval()


X = np.ones((4, 3), np.float32)


@each(
    Bad(
        lambda: pax.MixtureOfExperts(3, 2, lambda: pax.Linear(3, 3), top_k=3),
        pax.ArgumentError,
        "MixtureOfExperts got top_k=3 of num_experts=2; a token takes an expert once.",
        "choose top_k of at most num_experts.",
    ),
    Bad(
        lambda: pax.MixtureOfExperts(3, 2, lambda: pax.Linear(3, 3), top_k=1),
        pax.ArgumentError,
        "MixtureOfExperts got top_k=1 with normalize_gates=True: the only gate of a token would be "
        "1, and the router would get no gradient from what the expert returns.",
        "write normalize_gates=False: the gate is then the probability, as in Switch.",
    ),
    Bad(
        lambda: pax.MixtureOfExperts(3, 2, lambda: pax.Linear(3, 3), capacity_factor=0.0),
        pax.ArgumentError,
        "MixtureOfExperts got capacity_factor=0.0; expected a positive number.",
        "set capacity_factor to a positive number.",
    ),
    Bad(
        lambda: pax.MixtureOfExperts(3, 2, lambda: pax.Linear(3, 3), dispatch="ragged"),
        pax.ArgumentError,
        "MixtureOfExperts got dispatch='ragged'; expected one of 'sorted', 'dense'.",
        "write dispatch='sorted'.",
    ),
    Bad(
        lambda: mixture().eval(),
        pax.ShapeError,
        "MixtureOfExperts(in_dim=3, num_experts=3, top_k=2, "
        "dispatch=sorted) got input of shape (4, 2); expected (..., 3).",
        "the layer before gives 2 features; build this one with in_dim=2.",
        (X[:, :2],),
    ),
    Bad(
        wrong_expert,
        pax.ShapeError,
        "MixtureOfExperts got (3,) from an expert that was given tokens of shape (4, 3); expected "
        "(4, width).",
        "let an expert map the last axis of its input, as pax.MLP does.",
        (X,),
    ),
)
def test_errors(bad: Bad) -> None:
    bad.check()
