"""Entries dropped at random."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax import ArgumentError, DtypeError
from tests.functional.messages import message

X = jnp.asarray(np.random.default_rng(0).standard_normal((40, 50)), jnp.float32)


@pytest.mark.parametrize("key", [jax.random.key(3), jax.random.PRNGKey(3)], ids=["new", "old"])
def test_the_mask_is_the_bernoulli_draw_of_dropped_entries(key: jax.Array) -> None:
    dropped = np.asarray(jax.random.bernoulli(key, 0.3, X.shape))
    assert 0.25 < dropped.mean() < 0.35
    expected = np.where(dropped, 0, np.asarray(X) / np.float32(0.7))
    np.testing.assert_allclose(pax.dropout(key, 0.3, X), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_dtype_is_kept(dtype: jnp.dtype) -> None:
    assert pax.dropout(jax.random.key(0), 0.5, X.astype(dtype)).dtype == dtype


def test_float64() -> None:
    with jax.enable_x64(True):
        x = np.random.default_rng(0).standard_normal((10, 10))
        y = pax.dropout(jax.random.key(0), 0.2, x)
        assert y.dtype == jnp.float64
        np.testing.assert_allclose(y, np.where(y == 0, 0, x / 0.8), rtol=1e-15)


@pytest.mark.parametrize("rate", [0, 0.0])
def test_nothing_to_drop(rate: float) -> None:
    assert pax.dropout(jax.random.key(0), rate, X) is X


def test_the_gradient_follows_the_mask() -> None:
    key = jax.random.key(0)
    gradient = jax.grad(lambda x: pax.dropout(key, 0.5, x).sum())(X)
    np.testing.assert_array_equal(gradient, np.where(pax.dropout(key, 0.5, X) == 0, 0, 2))


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1, float("nan"), True])
def test_rates_that_cannot_be(rate: float) -> None:
    assert message(ArgumentError, lambda: pax.dropout(jax.random.key(0), rate, X)) == (
        f"dropout got dropout_rate={rate!r}; expected a number in [0, 1).\n"
        "  fix: give the share of entries to drop, e.g. dropout_rate=0.1."
    )


def test_integers_are_refused() -> None:
    assert message(DtypeError, lambda: pax.dropout(jax.random.key(0), 0.5, jnp.arange(3))) == (
        "dropout got x of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. x.astype(jnp.float32)."
    )
