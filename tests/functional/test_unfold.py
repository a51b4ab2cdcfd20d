"""Windows side by side, and back."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import ArgumentError, DtypeError, ShapeError
from pax.functional import fold, unfold
from tests.functional.messages import message


def normal(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(shape).standard_normal(shape), jnp.float32)


def test_by_hand() -> None:
    x = jnp.array([[1, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    np.testing.assert_array_equal(unfold(x, 2)[0], [[1, 2, 4, 5], [2, 3, 5, 6]])
    found = unfold(x, (1, 2), 2, [(0, 0), (1, 0)])
    np.testing.assert_array_equal(found[0], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(unfold(x, (1, 2), rate=2)[0], [[1, 3], [4, 6]])
    # the entries of one channel stand together
    both = jnp.concatenate([x, 10 * x], -1)
    np.testing.assert_array_equal(unfold(both, (2, 1))[0, 0], [1, 4, 10, 40])
    y = fold(jnp.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]), (4,), 2)
    assert y.ravel().tolist() == [1, 5, 9, 6]


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((7,), {"window_shape": 3, "strides": 2, "padding": "SAME"}),
        ((6, 4), {"window_shape": 2, "strides": 2}),
        ((5, 6), {"window_shape": (2, 3), "rate": (3, 1), "padding": [(1, 0), (0, 2)]}),
        ((3, 4, 5), {"window_shape": 2, "strides": (1, 2, 3)}),
    ],
)
@pytest.mark.parametrize("data_format", ["N...C", "NC..."])
def test_fold_is_the_transpose(sizes: tuple[int, ...], options: Any, data_format: str) -> None:
    x = normal(2, *sizes, 3) if data_format == "N...C" else normal(2, 3, *sizes)
    options = options | {"data_format": data_format}
    y = jax.jit(lambda x: unfold(x, **options))(x)
    windows = normal(*y.shape)
    image = jax.jit(lambda w: fold(w, sizes, **options))(windows)
    assert image.shape == x.shape
    np.testing.assert_allclose((y * windows).sum(), (x * image).sum(), rtol=1e-4)


def test_patches_come_back_as_they_were() -> None:
    x = normal(2, 6, 4, 3)
    y = unfold(x, (3, 2), (3, 2))
    assert y.shape == (2, 4, 18)
    np.testing.assert_array_equal(fold(y, (6, 4), (3, 2), (3, 2)), x)
    assert unfold(x[:0], 2).shape == (0, 15, 12)
    assert fold(y[:0], (6, 4), (3, 2), (3, 2)).shape == (0, 6, 4, 3)


def test_sums_are_rounded_once() -> None:
    windows = jnp.full((1, 8, 8), 0.1, jnp.bfloat16)
    exact = fold(windows.astype(jnp.float32), (15,), 8)
    found = fold(windows, (15,), 8)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_array_equal(found, exact.astype(jnp.bfloat16))


def test_errors(unchecked: None) -> None:
    x: Any = jnp.ones((1, 4, 4, 2))
    assert message(ArgumentError, lambda: unfold(x, (2, 2, 2))) == (
        "unfold got window_shape=(2, 2, 2); expected a positive integer or 2 of them, one for "
        "each spatial axis.\n  fix: write window_shape=(2, 2), with numbers of your own."
    )
    assert message(ArgumentError, lambda: unfold(x, 2, padding="FULL")) == (
        "unfold got padding='FULL'; expected 'SAME', 'VALID' or 2 pairs of integers >= 0.\n"
        "  fix: write padding=[(1, 1), (1, 1)], with one pair (before, after) for each axis."
    )
    assert message(ShapeError, lambda: unfold(x, 3, rate=2)) == (
        "unfold got input of shape (1, 4, 4, 2); a window of 5 does not fit an axis of 4 padded by "
        "(0, 0).\n  fix: use a smaller window, more padding or a larger input."
    )
    for size in (4, ()):
        assert message(ArgumentError, lambda size=size: fold(x, size, 2)) == (
            f"fold got spatial_shape={size!r}; expected a size for each spatial axis.\n"
            "  fix: write spatial_shape=(8, 8) for an image of 8 x 8."
        )
    fix = "  fix: give it the spatial_shape, window_shape, strides, padding and rate of the unfold."
    for windows in (jnp.ones((1, 9, 5)), jnp.ones((1, 8, 8)), jnp.ones((9, 8))):
        assert message(ShapeError, lambda w=windows: fold(w, (4, 4), 2)) == (
            f"fold got x of shape {windows.shape}; expected [B, 9, C * 4]: 9 windows of 4 entries "
            f"for an image of 4x4.\n{fix}"
        )
    assert message(ShapeError, lambda: fold(x[0], (4, 4), 2, data_format="NC...")) == (
        "fold got x of shape (4, 4, 2); expected [B, C * 4, 9]: 9 windows of 4 entries for an "
        f"image of 4x4.\n{fix}"
    )
    assert message(DtypeError, lambda: fold(jnp.ones((1, 3, 2), int), (4,), 2)) == (
        "fold got x of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. x.astype(jnp.float32)."
    )
