"""Weights made of others: by hand, their invariances, dtypes, errors."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import ArgumentError, DtypeError, ShapeError
from pax.functional import (
    power_iteration,
    spectral_normalize,
    weight_normalize,
    weight_standardize,
)
from tests.functional.messages import message


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape)


W = jnp.array([[3.0, 0.0], [4.0, 5.0]])


def test_weight_normalize_by_hand() -> None:
    assert weight_normalize(W, jnp.array([10.0, 1.0])).tolist() == [[6.0, 0.0], [8.0, 1.0]]
    rows = weight_normalize(jnp.array([[3.0, 4.0], [0.0, 2.0]]), jnp.array([5.0, 1.0]), 0)
    np.testing.assert_allclose(rows, [[3.0, 4.0], [0.0, 1.0]], rtol=1e-6)
    whole = weight_normalize(jnp.array([[1.0, 3.0], [3.0, 9.0]]), jnp.array(5.0), None)
    np.testing.assert_allclose(whole, [[0.5, 1.5], [1.5, 4.5]], rtol=1e-6)


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_the_vectors_converge_to_those_of_the_singular_value(axis: int) -> None:
    weight = normal(3, 4, 5).astype(np.float32)
    matrix = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    u, v = power_iteration(weight, normal(matrix.shape[1]), axis, 200)
    left, values, right = np.linalg.svd(matrix)
    np.testing.assert_allclose(np.abs(u), np.abs(left[:, 0]), atol=1e-4)
    np.testing.assert_allclose(np.abs(v), np.abs(right[0]), atol=1e-4)
    w = spectral_normalize(weight, u, v, axis)
    np.testing.assert_allclose(w, weight / values[0], rtol=1e-5)


def test_vectors_and_gradients_of_one_step() -> None:
    weight, v = jnp.asarray(normal(4, 3), jnp.float32), jnp.asarray(normal(4), jnp.float32)

    @jax.jit
    def run(weight: jax.Array) -> tuple[jax.Array, jax.Array]:
        u, new_v = power_iteration(weight, v)
        return u.sum() + new_v.sum() + (0 * weight).sum(), (u, new_v)

    gradient, (u, new_v) = jax.grad(run, has_aux=True)(weight)
    expected = weight.T @ v / np.linalg.norm(weight.T @ v)
    np.testing.assert_allclose(u, expected, rtol=1e-5)
    np.testing.assert_allclose(new_v, weight @ u / np.linalg.norm(weight @ u), rtol=1e-5)
    assert not gradient.any()


def test_sums_are_wide() -> None:
    weight = jnp.asarray(1e3 * (normal(200, 4) + 1), jnp.float16)  # squares overflow
    wide = weight.astype(jnp.float32)
    scale, v = jnp.asarray(normal(4), jnp.float16), jnp.asarray(normal(200), jnp.float16)
    found = [
        weight_normalize(weight, scale),
        weight_standardize(weight),
        *power_iteration(weight, v),
    ]
    expected = [
        weight_normalize(wide, scale.astype(jnp.float32)),
        weight_standardize(wide),
        *power_iteration(wide, v.astype(jnp.float32)),
    ]
    for x, y in zip(found, expected, strict=True):
        assert x.dtype == jnp.float16
        np.testing.assert_array_equal(x, y.astype(jnp.float16))


def test_errors() -> None:
    assert message(ArgumentError, lambda: weight_normalize(W, jnp.ones(2), 2)) == (
        "weight_normalize got axis=2 for a weight of shape (2, 2).\n"
        "  fix: name one of its axes, that of the outputs."
    )
    assert message(ShapeError, lambda: weight_normalize(W, jnp.ones(3))) == (
        "weight_normalize got scale of shape (3,); expected (2,).\n"
        "  fix: make scale for this weight and this axis."
    )
    assert message(ShapeError, lambda: weight_normalize(W, jnp.ones(2), None)) == (
        "weight_normalize got scale of shape (2,); expected ().\n"
        "  fix: make scale for this weight and this axis."
    )
    assert message(DtypeError, lambda: weight_standardize(jnp.arange(4))) == (
        "weight_standardize got weight of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. weight.astype(jnp.float32)."
    )
    assert message(ShapeError, lambda: power_iteration(W, jnp.ones(3))) == (
        "power_iteration got v of shape (3,); expected (2,).\n"
        "  fix: make v for this weight and this axis."
    )
    assert message(ArgumentError, lambda: power_iteration(W, jnp.ones(2), num_steps=0)) == (
        "power_iteration got num_steps=0; expected at least 1.\n  fix: write num_steps=1."
    )
    assert message(ShapeError, lambda: spectral_normalize(W, jnp.ones(2), jnp.ones(1))) == (
        "spectral_normalize got v of shape (1,); expected (2,).\n"
        "  fix: make v for this weight and this axis."
    )
