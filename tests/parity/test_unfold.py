"""Parity of windows laid side by side with torch: outputs and gradients."""

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
def problems(draw: st.DrawFn) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]], str]:
    """Draws two sizes, what both libraries call the windows over them, and a data format."""
    window, strides, rate, padding = (
        (draw(st.integers(low, high)), draw(st.integers(low, high)))
        for low, high in ((1, 3), (1, 3), (1, 2), (0, 2))
    )
    sizes = tuple(draw(st.integers((w - 1) * r + 1, 7)) for w, r in zip(window, rate, strict=True))
    options = {"window_shape": window, "strides": strides, "rate": rate, "padding": padding}
    return sizes, options, draw(st.sampled_from(["N...C", "NC..."]))


def check(sizes: tuple[int, ...], options: dict[str, Any], data_format: str) -> None:
    names = {"window_shape": "kernel_size", "strides": "stride", "rate": "dilation"}
    theirs = {names.get(name, name): value for name, value in options.items()}
    ours = options | {"padding": [(p, p) for p in options["padding"]], "data_format": data_format}
    last = data_format == "N...C"

    def unfold(x: torch.Tensor) -> torch.Tensor:
        y = torch.nn.functional.unfold(x.movedim(-1, 1) if last else x, **theirs)
        return y.mT if last else y

    def fold(x: torch.Tensor) -> torch.Tensor:
        y = torch.nn.functional.fold(x.mT if last else x, sizes, **theirs)
        return y.movedim(1, -1) if last else y

    x = normal(2, *sizes, 3) if last else normal(2, 3, *sizes)
    assert_like_torch(pax.Unfold(**ours), unfold, [x])
    windows = normal(*unfold(torch.from_numpy(x)).shape)
    assert_like_torch(pax.Fold(sizes, **ours), fold, [windows])


@settings(max_examples=3)
@given(problems())
def test_two_axes(problem: Any) -> None:
    check(*problem)


@pytest.mark.slow
@settings(max_examples=50)
@given(problems())
def test_two_axes_many(problem: Any) -> None:
    check(*problem)
