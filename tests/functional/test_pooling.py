"""Means, norms, maxima and minima of sliding windows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax import ArgumentError, DtypeError, ShapeError
from tests.functional.messages import message

avg_pool = jax.jit(pax.avg_pool, static_argnums=(1, 2, 3, 4))
max_pool = jax.jit(pax.max_pool, static_argnums=(1, 2, 3, 4))
POOLS = {"avg_pool": avg_pool, "max_pool": max_pool}
each_pool = pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
ROW = jnp.array([3.0, 1.0, 4.0, 1.0, 5.0]).reshape(1, 5, 1)


def normal(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(shape).standard_normal(shape), jnp.float32)


def flat(y: jax.Array) -> list[float]:
    return y.ravel().tolist()


def test_by_hand() -> None:
    assert flat(avg_pool(ROW, 2, 2, "VALID")) == [2.0, 2.5]
    # the padding is not counted
    assert flat(avg_pool(ROW, 2, 2, "SAME")) == [2.0, 2.5, 5.0]
    y = avg_pool(ROW, 4, 1, "SAME")
    np.testing.assert_allclose(y.ravel(), [8 / 3, 2.25, 2.75, 10 / 3, 3.0], rtol=1e-6)
    assert flat(max_pool(ROW, 2, 2, "VALID")) == [3.0, 4.0]
    assert flat(max_pool(ROW, 2, 2, "same")) == [3.0, 4.0, 5.0]
    assert flat(max_pool(ROW, 3, 1, "SAME")) == [3.0, 4.0, 4.0, 5.0, 5.0]
    assert flat(max_pool(-ROW, 2, 3, "SAME")) == [-1.0, -1.0]
    # windows with gaps between them
    assert flat(max_pool(ROW, 1, 2, "VALID")) == [3.0, 4.0, 5.0]


@each_pool
def test_which_axes_an_integer_means(pool: Callable[..., jax.Array]) -> None:
    x = normal(4, 6, 6, 6)
    for channel_axis, window in [
        (-1, (1, 2, 2, 1)),
        (3, (1, 2, 2, 1)),
        (1, (1, 1, 2, 2)),
        (-3, (1, 1, 2, 2)),
        (0, (1, 2, 2, 2)),
        (None, (1, 2, 2, 2)),
    ]:
        expected = pool(x, window, window, "SAME")
        assert expected.shape == tuple(n // w for n, w in zip(x.shape, window, strict=True))
        np.testing.assert_array_equal(pool(x, 2, 2, "SAME", channel_axis), expected)
    np.testing.assert_array_equal(pool(x, 2, 2, "SAME"), pool(x, 2, 2, "SAME", -1))


@each_pool
def test_a_sequence_may_leave_out_the_batch_axis(pool: Callable[..., jax.Array]) -> None:
    x = normal(2, 6, 8, 3)
    expected = pool(x, (1, 2, 4, 1), (1, 2, 1, 1), "VALID")
    np.testing.assert_array_equal(pool(x, (2, 4, 1), (2, 1, 1), "VALID"), expected)
    # one of the two may be an integer
    expected = pool(x, (1, 2, 4, 1), (1, 3, 3, 1), "VALID")
    np.testing.assert_array_equal(pool(x, (2, 4, 1), 3, "VALID"), expected)


def test_pairs_of_padding() -> None:
    pairs = ((1, 2), (0, 0))
    # [0] 3 1 4 1 5 [0 0]
    for padding in (pairs, ((0, 0), *pairs), [[1, 2], [0, 0]]):
        assert flat(pax.max_pool(ROW, 3, 2, padding)) == [3.0, 4.0, 5.0]
        assert flat(pax.max_pool(-ROW, 3, 2, padding)) == [-1.0, -1.0, -1.0]
        assert flat(pax.avg_pool(ROW, 3, 2, padding)) == [2.0, 2.0, 3.0]
    found = pax.avg_pool(ROW, 3, 2, pairs, count_include_pad=True)
    np.testing.assert_allclose(found.ravel(), [4 / 3, 2, 2], rtol=1e-6)


def test_a_last_window_beyond_the_end() -> None:
    assert flat(pax.max_pool(ROW, 2, 2, "VALID", ceil_mode=True)) == [3.0, 4.0, 5.0]
    assert flat(pax.avg_pool(ROW, 2, 2, "VALID", ceil_mode=True)) == [2.0, 2.5, 5.0]
    # what lies beyond the padding is not counted either: [0] 3 1 4 | 1 5 [0] -
    found = pax.avg_pool(ROW, 4, 4, ((1, 1), (0, 0)), ceil_mode=True, count_include_pad=True)
    assert flat(found) == [2.0, 2.0]
    # 3 1 4 | 1 5 [0] | would begin in the padding
    assert flat(pax.max_pool(ROW, 3, 3, ((0, 1), (0, 0)), ceil_mode=True)) == [4.0, 5.0]
    # a window larger than the array
    found = pax.avg_pool(ROW, 6, 2, "VALID", ceil_mode=True)
    np.testing.assert_allclose(found.ravel(), [2.8], rtol=1e-6)
    for padding in ("SAME", "same"):
        np.testing.assert_array_equal(
            pax.max_pool(ROW, 2, 2, padding, ceil_mode=True), pax.max_pool(ROW, 2, 2, padding)
        )


def test_entries_of_a_window_apart() -> None:
    assert flat(pax.max_pool(ROW, 2, 1, "VALID", rate=2)) == [4.0, 1.0, 5.0]
    assert flat(pax.max_pool(ROW, 2, 2, "VALID", rate=3)) == [3.0]
    assert flat(pax.max_pool(ROW, 2, 1, "SAME", rate=2)) == [1.0, 4.0, 1.0, 5.0, 1.0]
    x = normal(1, 9, 8, 2)
    found = pax.max_pool(x, (2, 3, 1), 1, "VALID", rate=(3, 2, 1))
    parts = [x[:, i : i + 6, j : j + 4] for i in (0, 3) for j in (0, 2, 4)]
    np.testing.assert_array_equal(found, jnp.stack(parts).max(0))


@pytest.mark.parametrize("stride", [1, 3])
def test_long_windows(stride: int) -> None:
    x = normal(1, 40, 2)
    starts = range(0, 21, stride)
    expected = np.stack([np.asarray(x)[:, i : i + 20].max(1) for i in starts], 1)
    np.testing.assert_array_equal(max_pool(x, 20, stride, "VALID"), expected)
    means = np.stack([np.asarray(x)[:, i : i + 20].mean(1) for i in starts], 1)
    np.testing.assert_allclose(avg_pool(x, 20, stride, "VALID"), means, rtol=1e-5, atol=1e-6)


def test_minima() -> None:
    assert flat(pax.functional.min_pool(ROW, 2, 2, "SAME")) == [1.0, 1.0, 5.0]
    low, high = -128, 127
    x = jnp.array([low, 5, high, high], jnp.int8).reshape(1, 4, 1)
    assert flat(pax.functional.min_pool(x, 2, 1, "SAME")) == [low, 5, high, high]
    x = jnp.array([7, 5, 255], jnp.uint8).reshape(1, 3, 1)
    assert flat(pax.functional.min_pool(x, 2, 1, "SAME")) == [5, 5, 255]
    x = jnp.array([np.inf, np.inf, -np.inf, np.nan]).reshape(1, 4, 1)
    np.testing.assert_array_equal(
        pax.functional.min_pool(x, 2, 1, "VALID").ravel(), [np.inf, -np.inf, np.nan]
    )


def test_norms() -> None:
    x = jnp.array([3.0, -4.0, 0.0, 0.0, 2.0]).reshape(1, 5, 1)
    assert flat(pax.functional.lp_pool(x, 2, 2, 2, "SAME")) == [5.0, 0.0, 2.0]
    assert flat(pax.functional.lp_pool(x, 1, 2, 2, "VALID")) == [7.0, 0.0]
    assert flat(pax.functional.lp_pool(x, 1.0, 5, 1, "VALID")) == [9.0]
    slope = jax.grad(lambda x: pax.functional.lp_pool(x, 2, 2, 2, "VALID").sum())(x)
    np.testing.assert_allclose(slope.ravel(), [0.6, -0.8, 0.0, 0.0, 0.0], rtol=1e-6)
    # the powers are made in float32
    x = jnp.full((1, 2, 1), 300.0, jnp.float16)
    assert flat(pax.functional.lp_pool(x, 2, 2, 1, "VALID")) == [424.25]


@pytest.mark.parametrize(
    ("window", "stride"),
    [((2, 3), (1, 2)), pytest.param((2, 2), (2, 2), marks=pytest.mark.slow)],
)
def test_norms_of_high_order_neither_overflow_nor_vanish(
    window: tuple[int, int], stride: tuple[int, int]
) -> None:
    """The windows of one array differ by 60 orders of magnitude; float64 by hand holds them all."""
    generator, p = np.random.default_rng(3), 40
    x = generator.standard_normal((1, 6, 7, 1))
    x[0, :, :3], x[0, :, 4:] = x[0, :, :3] * 1e30, x[0, :, 4:] * 1e-30
    x[0, 4:, 4:] = 0
    x = x.astype(np.float32)
    value, pull = jax.vjp(
        lambda x: pax.functional.lp_pool(x, p, (1, *window, 1), (1, *stride, 1), "VALID"), x
    )
    weights = generator.standard_normal(value.shape).astype(np.float32)
    expected, slopes = np.zeros(value.shape), np.zeros(x.shape)
    for _, i, j, _ in np.ndindex(value.shape):
        place = np.s_[0, i * stride[0] :, j * stride[1] :, 0]
        part = x.astype(np.float64)[place][: window[0], : window[1]]
        largest = np.abs(part).max()
        if largest > 0:
            norm = largest * (np.abs(part / largest) ** p).sum() ** (1 / p)
            expected[0, i, j, 0] = norm
            slope = np.sign(part) * np.abs(part / norm) ** (p - 1)
            slopes[place][: window[0], : window[1]] += slope * weights[0, i, j, 0]
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(pull(weights)[0], slopes, rtol=1e-4, atol=1e-6)


def test_norms_of_high_order_where_a_number_is_infinite() -> None:
    x = jnp.array([jnp.inf, 1.0, jnp.nan, 2.0, -3.0, 0.0]).reshape(1, 6, 1)
    found = pax.functional.lp_pool(x, 4, 2, 2, "VALID").ravel()
    np.testing.assert_allclose(found, [np.inf, np.nan, 3.0])


def test_any_axis_can_be_pooled() -> None:
    x = normal(4, 3, 5)
    np.testing.assert_array_equal(
        max_pool(x, (2, 1, 5), (2, 1, 1), "VALID"),
        np.asarray(x).reshape(2, 2, 3, 5).max((1, 3))[..., None],
    )


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
@each_pool
def test_dtype_is_kept(pool: Callable[..., jax.Array], dtype: Any) -> None:
    x = normal(2, 9, 9, 3).astype(dtype)
    y = pool(x, 3, 2, "SAME")
    exact = pool(x.astype(jnp.float32), 3, 2, "SAME")
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.astype(jnp.float32), exact.astype(dtype).astype(jnp.float32))


def test_sums_do_not_overflow_float16() -> None:
    x = jnp.full((1, 8, 8, 1), 60000.0, jnp.float16)
    assert flat(avg_pool(x, 8, 1, "VALID")) == [60000.0]


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint8, jnp.int32])
def test_maxima_of_integers(dtype: Any) -> None:
    low, high = jnp.iinfo(dtype).min, jnp.iinfo(dtype).max
    x = jnp.array([low, low, 5, high, low], dtype).reshape(1, 5, 1)
    y = max_pool(x, 3, 1, "SAME")
    assert y.dtype == dtype
    assert flat(y) == [low, 5, high, high, high]


def test_special_numbers() -> None:
    inf, nan = np.inf, np.nan
    x = jnp.array([-inf, -inf, inf, 0.0, nan, 1.0]).reshape(1, 6, 1)
    np.testing.assert_array_equal(
        max_pool(x, 2, 1, "SAME").ravel(), [-inf, inf, inf, nan, nan, 1.0]
    )


def test_the_gradient_goes_to_the_first_of_equal_maxima() -> None:
    x = jnp.array([[1.0, 2.0, 2.0], [2.0, 0.0, 1.0], [2.0, 2.0, 2.0]]).reshape(1, 3, 3, 1)

    def gradient(window: int) -> list[list[float]]:
        y = jax.jit(jax.grad(lambda x: max_pool(x, window, 1, "VALID").sum()))(x)
        return y.reshape(3, 3).tolist()

    assert gradient(3) == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert gradient(2) == [[0, 2, 0], [1, 0, 0], [0, 1, 0]]


@each_pool
def test_the_gradient_can_be_taken_twice(pool: Callable[..., jax.Array]) -> None:
    x = normal(1, 5, 5, 2)

    def loss(x: jax.Array) -> jax.Array:
        return (pool(x, 3, 2, "SAME") ** 3).sum()

    direction = normal(1, 5, 5, 2) + 1
    twice = jax.jit(jax.grad(lambda x: (jax.grad(loss)(x) * direction).sum()))(x)
    forward = jax.jit(lambda x: jax.jvp(jax.grad(loss), (x,), (direction,))[1])(x)
    np.testing.assert_allclose(twice, forward, rtol=1e-5, atol=1e-5)
    with jax.enable_x64(True):
        wide, step = x.astype(jnp.float64), 1e-6 * direction.astype(jnp.float64)
        slope = jax.jit(jax.grad(loss))
        difference = (slope(wide + step) - slope(wide - step)) / 2e-6
    np.testing.assert_allclose(twice, difference, rtol=1e-5, atol=1e-5)


@each_pool
def test_vmap_and_empty_batch(pool: Callable[..., jax.Array]) -> None:
    x = normal(3, 2, 5, 1)
    expected = jnp.stack([pool(row, 2, 2, "SAME") for row in x])
    np.testing.assert_allclose(jax.vmap(lambda x: pool(x, 2, 2, "SAME"))(x), expected, rtol=1e-6)
    assert pool(x[:0], 2, 2, "SAME").shape == (0, 1, 3, 1)
    assert pool(x[..., :0], 2, 2, "SAME").shape == (3, 1, 3, 0)


def test_errors(unchecked: None) -> None:
    assert message(ArgumentError, lambda: pax.avg_pool(ROW, 2, 2, "FULL")) == (
        "avg_pool got padding='FULL'; expected 'SAME', 'VALID' or 3 pairs of integers >= 0.\n"
        "  fix: write padding=[(1, 1), (1, 1), (1, 1)], with one pair (before, after) for each "
        "axis."
    )
    assert isinstance(ArgumentError("", ""), ValueError)
    for window in (0, -1, [2, 2, 2, 2], (1, 0, 1), (2,)):
        assert message(ArgumentError, lambda w=window: pax.max_pool(ROW, w, 2, "SAME")) == (
            f"max_pool got window_shape={window!r}; expected a positive integer or 3 of them.\n"
            "  fix: write window_shape=(2, 2, 2), with one number of your own for each axis."
        )
    assert message(ArgumentError, lambda: pax.max_pool(ROW, 2, 0, "SAME")) == (
        "max_pool got strides=0; expected a positive integer or 3 of them.\n"
        "  fix: write strides=(2, 2, 2), with one number of your own for each axis."
    )
    assert message(ArgumentError, lambda: pax.avg_pool(ROW, 2, 2, "SAME", 3)) == (
        "avg_pool got channel_axis=3 for value of rank 3.\n"
        "  fix: name one of its axes, or None for a value without channels."
    )
    assert message(ShapeError, lambda: pax.avg_pool(ROW, 6, 1, "VALID")) == (
        "avg_pool got input of shape (1, 5, 1); a window of 6 does not fit an axis of 5 padded "
        "by (0, 0).\n"
        "  fix: use a smaller window, more padding or a larger input."
    )
    assert message(ArgumentError, lambda: pax.max_pool(ROW, 2, 1, ((0, 2), (0, 0)))) == (
        "max_pool got an axis of 5 padded by (0, 2); a window of 2 would hold padding alone.\n"
        "  fix: use less padding on this axis."
    )
    assert message(ArgumentError, lambda: pax.max_pool(ROW[:, :1], 2, 1, "SAME", rate=2)) == (
        "max_pool got an axis of 1 padded by (1, 1); a window of 2 would hold padding alone.\n"
        "  fix: use less padding on this axis."
    )
    for pairs in ([(1, 1)], [(1, 1)] * 4, [(1, -1), (0, 0)], 1):
        with pytest.raises(ArgumentError, match=r"^avg_pool got padding="):
            pax.avg_pool(ROW, 2, 2, pairs)  # type: ignore[arg-type]
    assert message(ArgumentError, lambda: pax.max_pool(ROW, 2, 2, "SAME", rate=0)) == (
        "max_pool got rate=0; expected a positive integer or 3 of them.\n"
        "  fix: write rate=(2, 2, 2), with one number of your own for each axis."
    )
    for p in (0.5, np.inf, np.nan, True):
        call = functools.partial(pax.functional.lp_pool, ROW, p, 2, 2, "SAME")
        assert message(ArgumentError, call) == (
            f"lp_pool got p={p!r}; expected a finite number of at least 1.\n"
            "  fix: write p=2 for the Euclidean norm; for p=inf use max_pool of jnp.abs(value)."
        )
    assert message(
        DtypeError, lambda: pax.avg_pool(jnp.arange(3).reshape(1, 3, 1), 2, 2, "SAME")
    ) == (
        "avg_pool got value of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. value.astype(jnp.float32)."
    )
    assert message(DtypeError, lambda: pax.max_pool(ROW > 1, 2, 2, "SAME")) == (
        "max_pool got value of dtype bool; expected floating or integer.\n"
        "  fix: convert it first, e.g. value.astype(jnp.float32)."
    )
