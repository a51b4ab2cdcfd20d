"""Pooling into a given number of bins."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import ArgumentError, DtypeError, ShapeError
from pax.functional import adaptive_avg_pool, adaptive_max_pool
from tests.functional.messages import message

ROW = jnp.array([3.0, 1.0, 4.0, 1.0, 5.0]).reshape(1, 5, 1)


def flat(y: jax.Array) -> list[float]:
    return y.ravel().tolist()


def test_by_hand() -> None:
    # the bins of 5 entries: 3 1 | 1 4 1 | 1 5, then 3 1 4 | 4 1 5, then all
    assert flat(adaptive_avg_pool(ROW, 3)) == [2.0, 2.0, 3.0]
    np.testing.assert_allclose(flat(adaptive_avg_pool(ROW, 2)), [8 / 3, 10 / 3], rtol=1e-6)
    np.testing.assert_allclose(flat(adaptive_avg_pool(ROW, 1)), [2.8], rtol=1e-6)
    assert flat(adaptive_max_pool(ROW, 3)) == [3.0, 4.0, 5.0]
    assert flat(adaptive_max_pool(ROW, 1)) == [5.0]
    # more bins than entries: of 3 1 they are 3 | 3 1 | 1
    assert flat(adaptive_avg_pool(ROW[:, :2], 3)) == [3.0, 2.0, 1.0]
    assert flat(adaptive_max_pool(ROW[:, :2], 3)) == [3.0, 3.0, 1.0]


def test_sizes_may_be_kept_and_axes_named() -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 4, 6, 3)), jnp.float32)
    np.testing.assert_array_equal(adaptive_avg_pool(x, (None, 6)), x)
    y = adaptive_avg_pool(x, (2, None))
    np.testing.assert_allclose(y, x.reshape(2, 2, 2, 6, 3).mean(2), rtol=1e-6)
    assert adaptive_max_pool(x, (2, 5), 1).shape == (2, 4, 2, 5)
    assert adaptive_max_pool(x, 2, None).shape == (2, 2, 2, 2)
    assert adaptive_max_pool(x[:0], 5).shape == (0, 5, 5, 3)
    assert adaptive_avg_pool(x[..., :0], 5).shape == (2, 5, 5, 0)


@pytest.mark.parametrize("size", [2, 3])
def test_special_numbers_stay_in_their_bins(size: int) -> None:
    x = jnp.array([jnp.inf, 1.0, 2.0, 3.0, jnp.nan]).reshape(1, 5, 1)
    for pool in (adaptive_avg_pool, adaptive_max_pool):
        y = pool(x, size).ravel()
        assert np.isposinf(y[0]) and np.isnan(y[-1])
        assert np.isfinite(y[1:-1]).all()


def test_the_gradient_goes_to_the_first_of_equal_maxima() -> None:
    x = jnp.array([1.0, 2.0, 2.0, 2.0, 0.0]).reshape(1, 5, 1)
    for size, expected in ((1, [0, 1, 0, 0, 0]), (2, [0, 1, 1, 0, 0]), (3, [0, 2, 0, 1, 0])):
        found = jax.jit(jax.grad(lambda x, size=size: adaptive_max_pool(x, size).sum()))(x)
        assert flat(found) == expected


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint8, jnp.float16])
def test_dtypes(dtype: Any) -> None:
    x = jnp.array([3, 100, 7, 90, 2]).reshape(1, 5, 1).astype(dtype)
    y = adaptive_max_pool(x, 2)
    assert y.dtype == dtype
    assert flat(y) == [100, 90]
    large = jnp.full((1, 8, 1), 60000.0, jnp.float16)
    assert flat(adaptive_avg_pool(large, 1)) == [60000.0]
    assert flat(adaptive_avg_pool(large, 3)) == [60000.0] * 3


def test_errors(unchecked: None) -> None:
    for size in (0, (2, 2), (), -1, True, (None, 1)):
        assert message(ArgumentError, lambda size=size: adaptive_avg_pool(ROW, size)) == (
            f"adaptive_avg_pool got output_shape={size!r}; expected a positive integer or 1 of "
            "them.\n  fix: write output_shape=(1,), with a number of your own for each of the "
            "spatial axes."
        )
    assert message(ShapeError, lambda: adaptive_max_pool(ROW[:, :0], 2)) == (
        "adaptive_max_pool got value of shape (1, 0, 1), which has a spatial axis of size 0.\n"
        "  fix: give it an input that is not empty; only the batch may be."
    )
    assert message(ArgumentError, lambda: adaptive_max_pool(ROW, 2, 3)) == (
        "adaptive_max_pool got channel_axis=3 for value of rank 3.\n"
        "  fix: name one of its axes, or None for a value without channels."
    )
    assert message(DtypeError, lambda: adaptive_avg_pool(jnp.ones((1, 3, 1), int), 2)) == (
        "adaptive_avg_pool got value of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. value.astype(jnp.float32)."
    )


@pytest.mark.parametrize("pool", [adaptive_avg_pool, adaptive_max_pool])
@pytest.mark.parametrize("size", [1, 3, 999])
def test_programs_stay_short_over_long_axes(pool: Any, size: int) -> None:
    x = jax.ShapeDtypeStruct((1, 1000, 1), jnp.float32)
    gradient = jax.grad(lambda x: pool(x, size).sum())
    assert jax.jit(gradient).lower(x).as_text().count("\n") < 400
