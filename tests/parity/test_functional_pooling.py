"""Parity of pooling with torch, over sizes, windows, strides and padding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pax
from tests.parity.compare import normal
from tests.parity.functions import assert_like_torch


@st.composite
def problems(draw: st.DrawFn) -> tuple[Any, ...]:
    """Draws size, window and stride of two axes, and the padding; each window fits."""
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    size, window, stride = (tuple(draw(st.integers(1, n)) for _ in "HW") for n in (9, 5, 4))
    if padding == "VALID":
        size = tuple(map(max, size, window))
    return size, window, stride, padding


def torch_padding(size: Any, window: Any, stride: Any, padding: str) -> list[int]:
    """Returns before and after, of the last axis first, as torch wants them."""
    flat = []
    for n, w, s in zip(reversed(size), reversed(window), reversed(stride), strict=True):
        total = max((-(-n // s) - 1) * s + w - n, 0) if padding == "SAME" else 0
        flat += [total // 2, total - total // 2]
    return flat


@pytest.mark.parametrize("last", [True, False], ids=["channels_last", "channels_first"])
@pytest.mark.parametrize("pool", [pax.avg_pool, pax.max_pool])
@settings(max_examples=3)
@given(problems())
def test_two_spatial_axes(pool: Any, last: bool, problem: tuple[Any, ...]) -> None:
    size, window, stride, padding = problem
    pads = torch_padding(*problem)

    def ours(x: Any) -> Any:
        channel_axis, at = (-1, lambda v: (1, *v, 1)) if last else (1, lambda v: (1, 1, *v))
        return pool(x, at(window), at(stride), padding, channel_axis)

    def theirs(x: torch.Tensor) -> torch.Tensor:
        x = x.movedim(-1, 1) if last else x
        if pool is pax.max_pool:
            x = torch.nn.functional.pad(x, pads, value=-torch.inf)
            y = torch.nn.functional.max_pool2d(x, window, stride)
        else:
            counted = torch.nn.functional.pad(torch.ones_like(x), pads)
            x, counted = (
                torch.nn.functional.avg_pool2d(a, window, stride)
                for a in (torch.nn.functional.pad(x, pads), counted)
            )
            y = x / counted
        return y.movedim(1, -1) if last else y

    assert_like_torch(ours, theirs, [normal(*((2, *size, 3) if last else (2, 3, *size)))])


def test_one_spatial_axis_and_ties() -> None:
    x = normal(2, 11, 3).round()  # torch gives the gradient to the first of equals, too

    def theirs(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.max_pool1d(x.movedim(-1, 1), 4, 2).movedim(1, -1)

    assert_like_torch(lambda x: pax.max_pool(x, 4, 2, "VALID"), theirs, [x])
