"""Blocks of places dropped at random."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax.functional as F
from pax import ArgumentError, DtypeError, ShapeError
from tests.functional.messages import message

KEY = jax.random.key(3)
X = jnp.asarray(np.random.default_rng(0).standard_normal((3, 6, 5, 2)), jnp.float32)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_every_dropped_place_lies_in_a_whole_block(size: int) -> None:
    dropped = np.asarray(F.drop_block(KEY, 0.4, size, X) == 0)
    covered = np.zeros_like(dropped)
    for i, j in itertools.product(range(6 - size + 1), range(5 - size + 1)):
        block = dropped[:, i : i + size, j : j + size]
        covered[:, i : i + size, j : j + size] |= block.all(axis=(1, 2), keepdims=True)
    np.testing.assert_array_equal(covered, dropped)
    assert 0 < dropped.mean() < 1


@pytest.mark.slow
def test_the_share_of_dropped_entries() -> None:
    ones = jnp.ones((50, 20, 20, 10))
    for size, low in ((1, 0.19), (5, 0.17)):  # blocks overlap, so that it is less
        y = np.asarray(F.drop_block(KEY, 0.2, size, ones))
        assert low < (y == 0).mean() < 0.21
        np.testing.assert_allclose(y.mean(dtype=np.float64), 1, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(3, 7, 2), (2, 4, 5, 3, 2)], ids=str)
def test_any_number_of_axes_and_both_layouts(shape: tuple[int, ...]) -> None:
    x = jnp.asarray(np.random.default_rng(1).standard_normal(shape), jnp.float32)
    y = F.drop_block(KEY, 0.5, 2, x)
    first = F.drop_block(KEY, 0.5, 2, jnp.moveaxis(x, -1, 1), data_format="NC...")
    for z in (y, jnp.moveaxis(first, 1, -1)):  # other draws, the same form
        kept = np.asarray(z != 0)
        np.testing.assert_allclose(z, np.where(kept, x * (x.size / kept.sum()), 0), rtol=1e-5)


def test_one_block_that_covers_everything_leaves_zeros() -> None:
    x = jnp.ones((1, 3, 3, 1))
    drawn = [np.asarray(F.drop_block(jax.random.key(i), 0.5, 3, x)) for i in range(12)]
    assert {tuple(np.unique(y)) for y in drawn} == {(0.0,), (1.0,)}


def test_nothing_to_drop() -> None:
    assert F.drop_block(KEY, 0, 9, jnp.ones((1, 9, 9, 1))).sum() == 81
    assert F.drop_block(KEY, 0.0, 2, X) is X


@pytest.mark.parametrize(
    ("error", "call", "text"),
    [
        (
            ArgumentError,
            lambda: F.drop_block(KEY, 1.0, 2, X),
            "drop_block got dropout_rate=1.0; expected a number in [0, 1).\n"
            "  fix: give the share of entries to drop, e.g. dropout_rate=0.1.",
        ),
        (
            ArgumentError,
            lambda: F.drop_block(KEY, 0.5, 0, X),
            "drop_block got block_size=0; expected an integer of at least 1.\n"
            "  fix: give the side of the blocks in places, e.g. block_size=7.",
        ),
        (
            DtypeError,
            lambda: F.drop_block(KEY, 0.5, 1, jnp.arange(8).reshape(1, 2, 2, 2)),
            "drop_block got x of dtype int32; expected a floating dtype.\n"
            "  fix: convert it first, e.g. x.astype(jnp.float32).",
        ),
        (
            ShapeError,
            lambda: F.drop_block(KEY, 0.5, 1, jnp.ones((2, 3))),
            "drop_block got x of shape (2, 3); expected N...C with batch, space and channel "
            "axes.\n  fix: add the batch axis with x[None].",
        ),
        (
            ShapeError,
            lambda: F.drop_block(KEY, 0.5, 6, X),
            "drop_block got x of shape (3, 6, 5, 2), N...C; a block of 6 places along each axis "
            "does not fit.\n  fix: choose a block_size of at most 5.",
        ),
    ],
)
def test_errors(error: type[Exception], call: Any, text: str, unchecked: None) -> None:
    assert message(error, call) == text
