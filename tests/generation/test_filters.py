"""Each filter against a statement of it in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import generation
from tests.generation.models import softmax

ROWS, VOCAB = 3, 17


def logits(seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    """Returns logits [3, 17]; some come twice."""
    x = np.random.default_rng(seed).standard_normal((ROWS, VOCAB)) * 2
    x[:, 5] = x[:, 9]
    return x.astype(dtype)


def top_k(x: np.ndarray, k: int) -> np.ndarray:
    return x >= np.sort(x)[max(0, len(x) - k)]


def top_p(x: np.ndarray, p: float) -> np.ndarray:
    probs = softmax(x.astype(np.float64))
    order = np.argsort(-probs)
    count = np.searchsorted(np.cumsum(probs[order]), p) + 1
    return probs >= probs[order][: min(count, len(x))].min()


def min_p(x: np.ndarray, p: float) -> np.ndarray:
    probs = softmax(x.astype(np.float64))
    return probs >= p * probs.max()


CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[Any]]] = {
    "top_k": (generation.top_k, top_k, [1, 2, 5, 17, 30]),
    "top_p": (generation.top_p, top_p, [1e-6, 0.3, 0.55, 0.9, 0.999, 1.0]),
    "min_p": (generation.min_p, min_p, [0.0, 0.02, 0.1, 0.5, 1.0]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_stays(name: str) -> None:
    function, statement, values = CASES[name]
    compiled = jax.jit(function)  # nothing is raised where values are traced
    x = logits()
    for value in values:
        found = np.asarray(compiled(x, value))
        stays = np.stack([statement(row, value) for row in x])
        np.testing.assert_array_equal(found, np.where(stays, x, -np.inf), f"{name} {value}")
    by_row = np.array(values[1:4])
    found = np.asarray(function(jnp.asarray(x), by_row))
    stays = np.stack([statement(*each) for each in zip(x, by_row, strict=True)])
    np.testing.assert_array_equal(found, np.where(stays, x, -np.inf))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
@pytest.mark.slow
def test_dtypes(name: str, dtype: str) -> None:
    function, statement, values = CASES[name]
    with jax.enable_x64(dtype == "float64"):
        x = jnp.asarray(logits(1), dtype)
        y = function(x, values[2])
        assert y.dtype == x.dtype
        rounded = np.asarray(x).astype(np.float64)
        stays = np.stack([statement(row, values[2]) for row in rounded])
        np.testing.assert_array_equal(np.asarray(y) > -np.inf, stays)


def test_the_two_zeros_are_one() -> None:
    found = generation.top_k(jnp.array([0.0, -1.0, -0.0]), 1)
    np.testing.assert_array_equal(found > -jnp.inf, [True, False, True])


@pytest.mark.parametrize("name", CASES)
def test_nan_stays(name: str) -> None:
    function, _, values = CASES[name]
    for nan in (np.nan, -np.nan):
        x = jnp.asarray(np.array([1.0, nan, 2.0], np.float32))
        assert jnp.isnan(function(x, values[1])).any()


@pytest.mark.slow
def test_what_is_ruled_out_stays_out() -> None:
    x = jnp.array([-jnp.inf, 1.0, -jnp.inf, 2.0])
    for function, _, values in CASES.values():
        np.testing.assert_array_equal(function(x, values[-1])[jnp.array([0, 2])], -jnp.inf)


def test_repetition_penalty() -> None:
    x, tokens = logits(2), np.array([[1, 5, 1], [16, -1, -1], [40, 0, 3]], np.int32)
    for penalty in (0.5, np.array([1.0, 1.5, 2.0])):
        expected = x.copy()
        for row, seen, factor in zip(expected, tokens, np.broadcast_to(penalty, 3), strict=True):
            for token in {*seen} & {*range(VOCAB)}:
                row[token] = row[token] * factor if row[token] < 0 else row[token] / factor
        found = generation.repetition_penalty(x, tokens, penalty)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.slow
def test_gradients_are_those_of_what_stays() -> None:
    x = jnp.asarray(logits(3)[0])
    for function, _, values in CASES.values():
        kept = function(x, values[2]) > -jnp.inf
        found = jax.grad(lambda z, f=function, v=values[2]: jax.nn.softmax(f(z, v))[5] ** 2)(x)
        expected = jax.grad(lambda z, k=kept: jax.nn.softmax(jnp.where(k, z, -jnp.inf))[5] ** 2)(x)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
