"""What tells attention positions, as layers: numbers by hand, initial values, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

import pax
import pax.functional as F
from tests.contracts.case import optimization
from tests.nn.bad import Bad, each
from tests.nn.run import called

T, S, H, K = 3, 4, 2, 4
X = np.random.default_rng(0).standard_normal((2, T, H, K)).astype(np.float32)
AT, KEY_AT = np.array([[0, 1, 2], [5, 6, 7]]), np.array([[0, 1, 2, 9], [0, 5, 6, 7]])


@pytest.fixture(autouse=True)
def in_haste() -> Iterator[None]:
    """Compiles quickly what is computed once."""
    with optimization(False):
        yield


def test_rotary_embedding_is_the_function_with_its_options() -> None:
    options: dict[str, Any] = {"theta": 50.0, "convention": "pairs", "rotary_dim": 2}
    options["scaling"] = F.LinearRotaryScaling(2.0)
    layer = pax.RotaryEmbed(K, **options)
    np.testing.assert_array_equal(layer(X, AT), F.rotary_embed(X, AT, **options))
    np.testing.assert_array_equal(layer(X), F.rotary_embed(X, np.arange(T), **options))
    assert jax.tree.leaves(layer) == []


def test_alibi_by_hand() -> None:
    bias = called(pax.Alibi(H), AT, KEY_AT)
    distance = np.abs(AT[:, :, None] - KEY_AT[:, None])
    np.testing.assert_array_equal(bias[:, 0], -distance / 16)
    np.testing.assert_array_equal(bias[:, 1], -distance / 256)


def test_differences_of_unsigned_positions_do_not_wrap_around() -> None:
    at, key_at = np.arange(3, dtype=np.uint8), np.arange(4, dtype=np.uint16)
    bias = pax.Alibi(H)(at, key_at)
    distance = np.abs(np.arange(3)[:, None] - np.arange(4))
    np.testing.assert_array_equal(bias[0], -distance / 16)


def test_relative_bias_by_hand() -> None:
    layer = pax.RelativePositionBias(4, 3, H, is_bidirectional=False)
    weight = np.asarray(layer.weight)
    # distances 0 and 1 have a bucket each, 2 is the third, 3 and more the fourth, ahead is 0
    buckets = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [2, 1, 0, 0]])
    expected = np.moveaxis(weight[buckets], -1, 0)
    np.testing.assert_array_equal(called(layer, AT[0], KEY_AT[0]), expected)
    assert called(layer, AT, KEY_AT).shape == (2, H, T, S)
    assert pax.RelativePositionBias(64, 128, 100).weight.std() == pytest.approx(0.02, rel=0.05)


TEXT = "RotaryEmbed(key_size=4, theta=10000.0, convention=halves)"
EVEN = "entries are turned in pairs: choose an even number of them, or None for all."
PLACE = "give one integer for each place: jnp.arange(T)."


@each(
    Bad(
        lambda: pax.RotaryEmbed(5),
        pax.ArgumentError,
        "RotaryEmbed got key_size=5, which is odd.",
        "entries are turned in pairs: choose an even key_size, or rotary_dim=4.",
    ),
    Bad(
        lambda: pax.RotaryEmbed(6, rotary_dim=3),
        pax.ArgumentError,
        "RotaryEmbed got rotary_dim=3 for key_size=6; expected an even integer from 2 to 6.",
        EVEN,
    ),
    Bad(
        lambda: pax.RotaryEmbed(4, convention="interleaved"),
        pax.ArgumentError,
        "RotaryEmbed got convention='interleaved'; expected one of 'halves', 'pairs'.",
        "write convention='halves'.",
    ),
    Bad(
        lambda: pax.RotaryEmbed(4, scaling=2.0),  # type: ignore[arg-type]
        pax.ArgumentError,
        "RotaryEmbed got scaling of type float; expected a scaling of pax.functional.",
        "write scaling=pax.functional.LinearRotaryScaling(factor=4.0).",
    ),
    Bad(
        lambda: pax.RotaryEmbed(K),
        pax.ShapeError,
        f"{TEXT} got input of shape (2, 3, 2, 2); expected (..., T, H, 4).",
        "split the last axis into heads first: x.reshape(*x.shape[:-1], num_heads, key_size).",
        (X[..., :2],),
    ),
    Bad(
        lambda: pax.RotaryEmbed(K),
        pax.ShapeError,
        f"{TEXT} got positions of shape (4,); expected (3,) or (2, 3).",
        "give one integer for each place, for all sequences or for each.",
        (X, np.arange(4)),
    ),
    Bad(
        lambda: pax.RelativePositionBias(7, 128, 2),
        pax.ArgumentError,
        "RelativePositionBias got num_buckets=7 and max_distance=128 with is_bidirectional=True; "
        "expected buckets in a multiple of 2, at least 4, and a distance beyond their 1 / 4.",
        "write num_buckets=32 and max_distance=128, as T5.",
    ),
    Bad(
        lambda: pax.Alibi(2),
        pax.DtypeError,
        "Alibi(num_heads=2) got key_positions of dtype float32; expected integers.",
        PLACE,
        (AT, KEY_AT.astype(np.float32)),
    ),
    Bad(
        lambda: pax.Alibi(2),
        pax.ShapeError,
        "Alibi(num_heads=2) got query_positions of shape (3,) and key_positions of shape (2, 4); "
        "expected (..., T) and (..., S).",
        "give both the same axes before the last.",
        (AT[0], KEY_AT),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
