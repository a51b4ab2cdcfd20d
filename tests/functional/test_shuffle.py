"""The sub-pixel shuffle."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from pax import ArgumentError, ShapeError
from pax.functional import pixel_shuffle, pixel_unshuffle
from tests.functional.messages import message


def test_by_hand() -> None:
    # two channels, each of 2 x 1 parts
    x = jnp.arange(8).reshape(1, 1, 2, 4)
    y = pixel_shuffle(x, (2, 1))
    np.testing.assert_array_equal(y[0, :, :, 0], [[0, 4], [1, 5]])
    np.testing.assert_array_equal(y[0, :, :, 1], [[2, 6], [3, 7]])
    np.testing.assert_array_equal(pixel_unshuffle(y, (2, 1)), x)


@pytest.mark.parametrize("shape", [(2, 5, 12), (2, 3, 2, 12), (1, 2, 1, 3, 24), (0, 2, 2, 4)])
def test_each_undoes_the_other(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).integers(99, size=shape)
    factors = (3, 2, 4)[: len(shape) - 2] if x.size else 2
    y = pixel_shuffle(x, factors)
    np.testing.assert_array_equal(pixel_unshuffle(y, factors), x)
    first = pixel_shuffle(np.moveaxis(x, -1, 1), factors, data_format="NC...")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), y)
    again = pixel_unshuffle(first, factors, data_format="NC...")
    np.testing.assert_array_equal(np.moveaxis(again, 1, -1), x)


def test_errors(unchecked: None) -> None:
    x = jnp.ones((1, 4, 4, 6))
    assert message(ShapeError, lambda: pixel_shuffle(x, 2)) == (
        "pixel_shuffle got x of shape (1, 4, 4, 6) in N...C: 6 channels, which 4 does not divide.\n"
        "  fix: give it 4 channels for each channel of the output."
    )
    assert message(ShapeError, lambda: pixel_unshuffle(x, (2, 3))) == (
        "pixel_unshuffle got x of shape (1, 4, 4, 6): axis 2 has 4 entries, which 3 does not "
        "divide.\n  fix: crop or pad this axis first, or choose another factor."
    )
    assert message(ArgumentError, lambda: pixel_shuffle(x, (2, 2, 2))) == (
        "pixel_shuffle got factor=(2, 2, 2); expected a positive integer or 2 of them, one for "
        "each spatial axis.\n  fix: write factor=(2, 2), with numbers of your own."
    )
    assert message(ShapeError, lambda: pixel_unshuffle(x[0, 0], 2, data_format="NC...")) == (
        "pixel_unshuffle got x of shape (4, 6); expected [B, C, ...] with one spatial axis or "
        "more.\n  fix: add the axes that are missing, as with x[None] for the batch."
    )
