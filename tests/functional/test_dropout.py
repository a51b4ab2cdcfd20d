"""Entries dropped at random."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax import ArgumentError, DtypeError, ShapeError
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


X4 = jnp.asarray(np.random.default_rng(1).standard_normal((30, 4, 3, 20)), jnp.float32)
KEY = jax.random.key(5)


@pytest.mark.parametrize(
    ("call", "mask_shape"),
    [
        (pax.functional.drop_path, (30, 1, 1, 1)),
        pytest.param(pax.functional.spatial_dropout, (30, 1, 1, 20), marks=pytest.mark.slow),
        pytest.param(
            partial(pax.functional.spatial_dropout, data_format="NC..."),
            (30, 4, 1, 1),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_whole_samples_and_channels(call: Any, mask_shape: tuple[int, ...]) -> None:
    dropped = np.asarray(jax.random.bernoulli(KEY, 0.3, mask_shape))
    assert 0.1 < dropped.mean() < 0.5
    expected = np.where(dropped, 0, np.asarray(X4) / np.float32(0.7))
    np.testing.assert_allclose(call(KEY, 0.3, X4), expected, rtol=1e-6)
    assert call(KEY, 0, X4) is X4


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.05, 0.3, 0.8])
def test_alpha_dropout_keeps_mean_and_variance(rate: float) -> None:
    x = jax.random.normal(jax.random.key(1), (300, 300))
    y = np.asarray(pax.functional.alpha_dropout(KEY, rate, x))
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.03
    dropped = np.asarray(jax.random.bernoulli(KEY, rate, x.shape))
    assert len(np.unique(y[dropped])) == 1
    slope, offset = np.polyfit(np.asarray(x)[~dropped], y[~dropped], 1)
    # s of the dropped entries, a and b of the kept: a s + b, and no mean or variance added
    floor = (y[dropped][0] - offset) / slope
    assert abs(floor - jax.nn.selu(-30.0)) < 1e-4
    assert abs((1 - rate) * offset + rate * y[dropped][0]) < 1e-5


@pytest.mark.slow
def test_noise() -> None:
    noise = np.asarray(jax.random.normal(KEY, X4.shape))
    found = pax.functional.gaussian_noise(KEY, 0.5, X4)
    np.testing.assert_allclose(found, np.asarray(X4) + 0.5 * noise, rtol=1e-6, atol=1e-6)
    assert pax.functional.gaussian_noise(KEY, 0, X4) is X4
    half = pax.functional.gaussian_noise(KEY, 0.5, X4.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(jnp.float32), found, atol=0.05)


@pytest.mark.parametrize(
    ("error", "call", "text"),
    [
        (
            ShapeError,
            lambda: pax.functional.drop_path(KEY, 0.5, jnp.float32(1)),
            "drop_path got x of shape (); expected (batch, ...).\n"
            "  fix: give x a first axis over the samples.",
        ),
        (
            ShapeError,
            lambda: pax.functional.spatial_dropout(KEY, 0.5, X[0]),
            "spatial_dropout got x of shape (50,); expected N...C with a batch and a channel "
            "axis.\n  fix: add the batch axis with x[None].",
        ),
        (
            ArgumentError,
            lambda: pax.functional.spatial_dropout(KEY, 0.5, X, data_format="NCHW"),
            "spatial_dropout got data_format='NCHW'; expected 'N...C' or 'NC...'.\n"
            "  fix: write data_format='N...C' where the channels are the last axis.",
        ),
        (
            ArgumentError,
            lambda: pax.functional.alpha_dropout(KEY, 1.5, X),
            "alpha_dropout got dropout_rate=1.5; expected a number in [0, 1).\n"
            "  fix: give the share of entries to drop, e.g. dropout_rate=0.1.",
        ),
        (
            ArgumentError,
            lambda: pax.functional.gaussian_noise(KEY, -0.5, X),
            "gaussian_noise got stddev=-0.5; expected a finite number of at least 0.\n"
            "  fix: give the standard deviation of the noise, e.g. stddev=0.1.",
        ),
    ],
)
def test_errors_of_the_others(error: type[Exception], call: Any, text: str) -> None:
    assert message(error, call) == text
