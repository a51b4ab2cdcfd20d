"""Maxima with their places, the way back, and the blur."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax import ArgumentError, DtypeError, ShapeError
from pax.functional import blur_pool, max_pool_with_indices, max_unpool
from tests.functional.messages import message

ROW = jnp.array([3.0, 1.0, 4.0, 4.0, 5.0]).reshape(1, 5, 1)


def test_by_hand() -> None:
    for stride, padding, maxima, places in (
        (2, "VALID", [3.0, 4.0], [0, 2]),
        (1, "SAME", [3.0, 4.0, 4.0, 5.0, 5.0], [0, 2, 2, 4, 4]),
        (2, ((1, 0), (0, 0)), [3.0, 4.0, 5.0], [0, 2, 4]),
    ):
        y, indices = max_pool_with_indices(ROW, 2, stride, padding)
        assert (y.ravel().tolist(), indices.ravel().tolist()) == (maxima, places)
    assert max_unpool(y, indices, 5).ravel().tolist() == [3.0, 0.0, 4.0, 0.0, 5.0]
    # a plane is counted row by row, each channel by itself
    x = jnp.array([[0, 9, 1], [8, 2, 3]]).reshape(1, 2, 3, 1)
    both = jnp.concatenate([x, -x], -1)
    y, indices = max_pool_with_indices(both, (2, 3, 1), 1, "VALID")
    assert (y.ravel().tolist(), indices.ravel().tolist()) == ([9, 0], [1, 0])


@pytest.mark.parametrize("channel_axis", [-1, 1, None])
def test_indices_lead_to_the_maxima(channel_axis: int | None) -> None:
    x = jnp.asarray(np.random.default_rng(0).integers(9, size=(2, 5, 6, 4)))
    y, indices = max_pool_with_indices(x, 2, 2, "SAME", channel_axis)
    np.testing.assert_array_equal(y, pax.max_pool(x, 2, 2, "SAME", channel_axis))
    sizes = {-1: (5, 6), 1: (6, 4), None: (5, 6, 4)}[channel_axis]
    back = max_unpool(y, indices, sizes, channel_axis)
    assert back.shape == x.shape
    assert back.dtype == x.dtype
    np.testing.assert_array_equal(back, np.where(back == 0, 0, x))
    assert np.count_nonzero(back) == np.count_nonzero(y)


def test_padding_is_never_the_place() -> None:
    lowest = jnp.full((1, 3, 1), -jnp.inf)
    _, indices = max_pool_with_indices(lowest, 3, 1, "SAME")
    assert indices.ravel().tolist() == [0, 0, 1]
    _, indices = max_pool_with_indices(jnp.full((1, 3, 1), -128, jnp.int8), 3, 2, "SAME")
    assert indices.ravel().tolist() == [0, 1]
    y, indices = max_pool_with_indices(ROW.at[0, 1].set(jnp.nan), 2, 1, "VALID")
    np.testing.assert_array_equal(y.ravel(), [np.nan, np.nan, 4, 5])
    assert indices.ravel().tolist() == [1, 1, 2, 4]


def test_gradients() -> None:
    def loss(x: jax.Array) -> jax.Array:
        y, indices = max_pool_with_indices(x, 2, 2, "VALID")
        return (max_unpool(y**2, indices, 5) * jnp.arange(5.0).reshape(1, 5, 1)).sum()

    found = jax.jit(jax.grad(loss))(ROW).ravel().tolist()
    assert found == [0.0, 0.0, 2 * 4.0 * 2, 0.0, 0.0]


def test_an_index_that_is_nowhere_is_left_out() -> None:
    found = max_unpool(jnp.array([[[7.0], [5.0], [2.0]]]), jnp.array([[[-1], [4], [0]]]), 4)
    assert found.ravel().tolist() == [2.0, 0.0, 0.0, 0.0]


def test_empty_batch() -> None:
    y, indices = max_pool_with_indices(ROW[:0], 2, 2, "VALID")
    assert y.shape == indices.shape == (0, 2, 1)
    assert max_unpool(y, indices, 5).shape == (0, 5, 1)
    assert blur_pool(ROW[:0], 3, 2).shape == (0, 3, 1)


def test_blur_by_hand() -> None:
    found = blur_pool(ROW, 3, 1).ravel().tolist()
    assert found == [2.0, 2.25, 3.25, 4.25, 4.5]
    assert blur_pool(ROW, 3, 2).ravel().tolist() == found[::2]
    assert blur_pool(ROW, 2, 2).ravel().tolist() == [2.0, 4.0, 4.5]
    assert blur_pool(ROW, 1, 3).ravel().tolist() == [3.0, 4.0]
    # a single entry is mirrored into itself, a short axis again and again
    assert blur_pool(ROW[:, :1], 5, 2).ravel().tolist() == [3.0]
    mirrored = np.pad([3.0, 1.0], (2, 2), mode="reflect")
    expected = np.convolve(mirrored, np.array([1, 4, 6, 4, 1]) / 16, "valid")
    np.testing.assert_allclose(blur_pool(ROW[:, :2], 5, 1).ravel(), expected, rtol=1e-6)


def test_a_constant_stays_and_a_checkerboard_goes() -> None:
    x = jnp.full((1, 6, 7, 2), 60000.0, jnp.float16)
    np.testing.assert_array_equal(blur_pool(x, 4, 2), x[:, ::2, ::2])
    board = jnp.asarray((-1.0) ** np.add.outer(np.arange(6), np.arange(8))).reshape(1, 6, 8, 1)
    np.testing.assert_allclose(blur_pool(board, 3, 2), 0, atol=1e-6)


def test_errors(unchecked: None) -> None:
    assert message(ArgumentError, lambda: max_pool_with_indices(ROW, (2, 1), (2, 2), "VALID")) == (
        "max_pool_with_indices got a window of 1, a stride of 2 and padding (0, 0) for axis 2, "
        "which indices do not count.\n"
        "  fix: leave batch and channels out of window_shape, strides and padding."
    )
    y, indices = max_pool_with_indices(ROW, 2, 2, "VALID")
    assert message(ShapeError, lambda: max_unpool(y, indices[:, :1], 5)) == (
        "max_unpool got value of shape (1, 2, 1) and indices of shape (1, 1, 1); expected the "
        "same.\n  fix: give it the indices of the pooling that made value."
    )
    assert message(DtypeError, lambda: max_unpool(y, y, 5)) == (
        "max_unpool got indices of dtype float32; expected integer.\n"
        "  fix: give it the second output of max_pool_with_indices."
    )
    assert message(ArgumentError, lambda: max_unpool(y, indices, (5, 5))) == (
        "max_unpool got spatial_shape=(5, 5); expected a positive integer or 1 of them, one for "
        "each spatial axis.\n  fix: write spatial_shape=(2,), with numbers of your own."
    )
    assert message(ShapeError, lambda: blur_pool(ROW[:, :0], 3, 2)) == (
        "blur_pool got input of shape (1, 0, 1); a window of 3 does not fit an axis of 0 padded "
        "by (0, 1).\n  fix: use a smaller window, more padding or a larger input."
    )
