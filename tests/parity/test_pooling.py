"""Parity of the pooling layers with torch, over one to three axes: outputs and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pax
from tests.parity.compare import normal
from tests.parity.functions import assert_like_torch

T = torch.nn.functional
Problem = tuple[tuple[int, ...], dict[str, Any], str]


@st.composite
def problems(draw: st.DrawFn, most: int = 3, rate: bool = False) -> Problem:
    """Draws sizes, what both libraries call the windows over them, and a data format.

    torch pads by half a window at most, and each window fits into the array itself.
    """
    rank = draw(st.integers(1, most))
    window = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    rates = tuple(draw(st.integers(1, 3)) if rate else 1 for _ in range(rank))
    spans = [(w - 1) * r + 1 for w, r in zip(window, rates, strict=True)]
    sizes = tuple(draw(st.integers(span, 8)) if span < 8 else span for span in spans)
    options = {
        "window_shape": window,
        "strides": tuple(draw(st.integers(1, 5)) for _ in range(rank)),
        "padding": tuple(draw(st.integers(0, w // 2)) for w in window),
        "ceil_mode": draw(st.booleans()),
    }
    if rate:
        options["rate"] = rates
    return sizes, options, draw(st.sampled_from(["N...C", "NC..."]))


def for_torch(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the same under the names of torch."""
    names = {"window_shape": "kernel_size", "strides": "stride", "rate": "dilation"}
    return {names.get(name, name): value for name, value in options.items()}


def for_pax(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the same with pairs of padding."""
    return options | {"padding": [(pad, pad) for pad in options["padding"]]}


def channels_first(function: Callable[..., Any], data_format: str) -> Callable[..., Any]:
    """Returns a function of torch tensors for inputs in this data format."""
    if data_format == "NC...":
        return function
    return lambda x: function(x.movedim(-1, 1)).movedim(1, -1)


def image(sizes: tuple[int, ...], data_format: str) -> Any:
    """Returns a random image."""
    return normal(2, *sizes, 3) if data_format == "N...C" else normal(2, 3, *sizes)


def check_avg_pool(problem: Problem, count: bool) -> None:
    sizes, options, data_format = problem
    function = getattr(T, f"avg_pool{len(sizes)}d")
    theirs = channels_first(
        lambda x: function(x, **for_torch(options), count_include_pad=count), data_format
    )
    layer = pax.AvgPool(**for_pax(options), count_include_pad=count, data_format=data_format)
    assert_like_torch(layer, theirs, [image(sizes, data_format)])


def check_max_pool(problem: Problem) -> None:
    sizes, options, data_format = problem
    function = getattr(T, f"max_pool{len(sizes)}d")
    x = image(sizes, data_format).round(1)  # some are equal
    theirs = channels_first(lambda x: function(x, **for_torch(options)), data_format)
    assert_like_torch(pax.MaxPool(**for_pax(options), data_format=data_format), theirs, [x])
    lowest = channels_first(lambda x: -function(-x, **for_torch(options)), data_format)
    assert_like_torch(pax.MinPool(**for_pax(options), data_format=data_format), lowest, [x])


def check_adaptive(sizes: tuple[int, ...], outputs: tuple[int, ...], data_format: str) -> None:
    rank, x = len(sizes), image(sizes, data_format)
    mean, most = (getattr(T, f"adaptive_{kind}_pool{rank}d") for kind in ("avg", "max"))
    layer = pax.AdaptiveAvgPool(outputs, data_format=data_format)
    assert_like_torch(layer, channels_first(lambda x: mean(x, outputs), data_format), [x])
    maxima = pax.AdaptiveMaxPool(outputs, data_format=data_format)
    theirs = channels_first(lambda x: most(x, outputs), data_format)
    assert_like_torch(maxima, theirs, [x.round(1)])


@settings(max_examples=4)
@given(problems(), st.booleans())
def test_avg_pool(problem: Problem, count: bool) -> None:
    check_avg_pool(problem, count)


@pytest.mark.slow
@settings(max_examples=60)
@given(problems(), st.booleans())
def test_avg_pool_many(problem: Problem, count: bool) -> None:
    check_avg_pool(problem, count)


@settings(max_examples=3)
@given(problems(rate=True))
def test_max_and_min_pool(problem: Problem) -> None:
    check_max_pool(problem)


@pytest.mark.slow
@settings(max_examples=40)
@given(problems(rate=True))
def test_max_and_min_pool_many(problem: Problem) -> None:
    check_max_pool(problem)


SIZES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 11)), min_size=1, max_size=3)


@pytest.mark.parametrize(("size", "outputs"), [((9, 5), (4, 7)), ((100,), (3,)), ((6, 8), (3, 8))])
def test_adaptive(size: tuple[int, ...], outputs: tuple[int, ...]) -> None:
    check_adaptive(size, outputs, "N...C")


@pytest.mark.slow
@settings(max_examples=30)
@given(SIZES, st.sampled_from(["N...C", "NC..."]))
def test_adaptive_many(axes: list[tuple[int, int]], data_format: str) -> None:
    sizes, outputs = zip(*axes, strict=True)
    check_adaptive(sizes, outputs, data_format)


@pytest.mark.parametrize("data_format", ["N...C", "NC..."])
def test_global(data_format: str) -> None:
    x, axes = image((4, 3), data_format), (1, 2) if data_format == "N...C" else (2, 3)
    assert_like_torch(pax.GlobalAvgPool(data_format=data_format), lambda x: x.mean(axes), [x])
    assert_like_torch(pax.GlobalMaxPool(data_format=data_format), lambda x: x.amax(axes), [x])


@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_lp_pool(p: float) -> None:
    # torch takes the odd powers of negative numbers as they are; the norm takes their sizes
    def theirs(x: torch.Tensor) -> torch.Tensor:
        return T.lp_pool2d(x.abs().movedim(-1, 1), p, (3, 2), (2, 1)).movedim(1, -1)

    assert_like_torch(pax.LpPool(p, (3, 2), (2, 1)), theirs, [normal(2, 7, 5, 3)])


@pytest.mark.slow
@pytest.mark.parametrize("rank", [1, 3])
def test_lp_pool_of_other_ranks(rank: int) -> None:
    function = getattr(T, f"lp_pool{rank}d")
    layer = pax.LpPool(2, 2, data_format="NC...")
    assert_like_torch(layer, lambda x: function(x, 2, 2), [normal(2, 3, *(6, 5, 4)[:rank])])
