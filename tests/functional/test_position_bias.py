"""Slopes and buckets of distances, against the published tables and a statement in torch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import pax
import pax.functional as F
from tests.functional.messages import message


def test_slopes_of_a_power_of_two() -> None:
    np.testing.assert_array_equal(F.alibi_slopes(8), [2.0**-h for h in range(1, 9)])
    np.testing.assert_array_equal(F.alibi_slopes(1), [2.0**-8])
    np.testing.assert_allclose(F.alibi_slopes(16), [2 ** (-h / 2) for h in range(1, 17)], 1e-6)


def test_slopes_between_powers_of_two() -> None:
    # of 12 heads: the 8 of 8 heads, then every second of the 16 of 16 heads
    expected = [2.0**-h for h in range(1, 9)] + [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]
    np.testing.assert_allclose(F.alibi_slopes(12), expected, 1e-6)
    np.testing.assert_allclose(F.alibi_slopes(3), [2.0**-4, 2.0**-8, 2.0**-2], 1e-6)
    assert F.alibi_slopes(12).dtype == np.float32


def in_torch(relative: Any, num_buckets: int, max_distance: int, both: bool) -> torch.Tensor:
    """Computes buckets with logarithms in float32, as the published code does."""
    distance, first = -relative, torch.zeros_like(relative)
    if both:
        num_buckets //= 2
        first, distance = (relative > 0).long() * num_buckets, relative.abs()
    distance = distance.clamp(min=0)
    exact = num_buckets // 2
    steps = torch.log(distance.float() / exact) / math.log(max_distance / exact)
    far = exact + (steps * (num_buckets - exact)).long()
    return first + torch.where(distance < exact, distance, far.clamp(max=num_buckets - 1))


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize(("buckets", "longest"), [(32, 128), (8, 20), (64, 33), (6, 1000)])
def test_buckets(buckets: int, longest: int, both: bool) -> None:
    relative = np.arange(-2 * longest, 2 * longest + 1)
    found = F.relative_position_bucket(
        relative, num_buckets=buckets, max_distance=longest, is_bidirectional=both
    )
    expected = in_torch(torch.tensor(relative), buckets, longest, both)
    np.testing.assert_array_equal(found, expected)
    assert set(np.asarray(found).tolist()) <= set(range(buckets))


def test_buckets_by_hand() -> None:
    relative = np.array([[0, -1, -7, -8, -11, -12], [-127, -128, 1, 8, 127, 9999]])
    expected = [[0, 1, 7, 8, 8, 9], [15, 15, 17, 24, 31, 31]]
    np.testing.assert_array_equal(F.relative_position_bucket(relative), expected)
    assert F.relative_position_bucket(relative[:0]).shape == (0, 6)


NAME = "relative_position_bucket got "


@pytest.mark.parametrize(
    ("error", "relative", "options", "text"),
    [
        (
            pax.DtypeError,
            np.ones(3, np.float32),
            {},
            f"{NAME}relative of dtype float32; expected integers.\n"
            "  fix: subtract integer positions: key_positions[None, :] - query_positions[:, None].",
        ),
        (
            pax.ArgumentError,
            np.arange(3),
            {"num_buckets": 7},
            f"{NAME}num_buckets=7 with is_bidirectional=True; expected an even integer of at least "
            "4.\n  fix: write num_buckets=32, as T5.",
        ),
        (
            pax.ArgumentError,
            np.arange(3),
            {"num_buckets": 1, "is_bidirectional": False},
            f"{NAME}num_buckets=1 with is_bidirectional=False; expected an integer of at least "
            "2.\n  fix: write num_buckets=32, as T5.",
        ),
        (
            pax.ArgumentError,
            np.arange(3),
            {"max_distance": 8},
            f"{NAME}max_distance=8 for num_buckets=32; expected more than the 8 distances that "
            "have a bucket each.\n  fix: write max_distance=128, as T5, or take fewer buckets.",
        ),
    ],
)
def test_bad_input(error: Any, relative: Any, options: Any, text: str, unchecked: None) -> None:
    assert message(error, lambda: F.relative_position_bucket(relative, **options)) == text


def test_bad_number_of_heads(unchecked: None) -> None:
    text = (
        "alibi_slopes got num_heads=0; expected an integer of at least 1.\n"
        "  fix: set num_heads to a positive integer."
    )
    assert message(pax.ArgumentError, lambda: F.alibi_slopes(0)) == text
