"""Parity of maxima with indices and of the way back, and of the blur, with torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings

import pax
from tests.parity.compare import normal
from tests.parity.functions import assert_like_torch
from tests.parity.test_pooling import Problem, for_pax, for_torch, problems

T = torch.nn.functional


def check_indices(problem: Problem) -> None:
    sizes, options, data_format = problem
    last, rank = data_format == "N...C", len(sizes)
    around = (lambda v, one: (one, *v, one)) if last else (lambda v, one: (one, one, *v))
    ours = for_pax(options)
    for name, one in (("window_shape", 1), ("strides", 1), ("padding", (0, 0)), ("rate", 1)):
        ours[name] = around(ours[name], one)
    channel_axis = -1 if last else 1
    x = normal(2, 3, *sizes).round(1)  # some are equal
    theirs = getattr(T, f"max_pool{rank}d")(
        torch.from_numpy(x), **for_torch(options), return_indices=True
    )
    y, indices = pax.functional.max_pool_with_indices(
        np.moveaxis(x, 1, -1) if last else x, **ours, channel_axis=channel_axis
    )
    assert indices.dtype == np.int32
    for found, expected in zip((y, indices), theirs, strict=True):
        found = np.moveaxis(found, -1, 1) if last else np.asarray(found)
        np.testing.assert_array_equal(found, expected.numpy().astype(found.dtype))


@settings(max_examples=4)
@given(problems(rate=True))
def test_indices(problem: Problem) -> None:
    check_indices(problem)


@pytest.mark.slow
@settings(max_examples=50)
@given(problems(rate=True))
def test_indices_many(problem: Problem) -> None:
    check_indices(problem)


@pytest.mark.parametrize("rank", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_there_and_back(rank: int) -> None:
    # windows with gaps between them: no index comes twice
    pool, unpool = getattr(T, f"max_pool{rank}d"), getattr(T, f"max_unpool{rank}d")
    sizes = (7, 6, 5)[:rank]

    def theirs(x: torch.Tensor) -> torch.Tensor:
        y, indices = pool(x, 2, 3, return_indices=True)
        return unpool(y**2, indices, 2, 3, output_size=sizes)

    def ours(x: Any) -> Any:
        y, indices = pax.functional.max_pool_with_indices(x, 2, 3, "VALID", 1)
        return pax.functional.max_unpool(y**2, indices, sizes, 1)

    assert_like_torch(ours, theirs, [normal(2, 3, *sizes)])


@pytest.mark.parametrize("window", [1, 2, 3, pytest.param(6, marks=pytest.mark.slow)])
def test_blur(window: int) -> None:
    row = np.poly1d([0.5, 0.5]) ** (window - 1)
    kernel = torch.from_numpy(1.0 * np.outer(row.coeffs, row.coeffs)).repeat(3, 1, 1, 1)
    before, after = (window - 1) // 2, window // 2

    def theirs(x: torch.Tensor) -> torch.Tensor:
        x = T.pad(x, (before, after, before, after), mode="reflect")
        return T.conv2d(x, kernel, stride=2, groups=3)

    assert_like_torch(pax.BlurPool(window, 2, data_format="NC..."), theirs, [normal(2, 3, 7, 6)])
