"""Parity of resizing with torch, up and down: outputs and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import pax
from pax.functional.interpolation import taps
from tests.parity.compare import normal
from tests.parity.functions import assert_like_torch

#: How torch calls each method, by the number of axes.
MODES = {
    "nearest": {n: "nearest" for n in (1, 2, 3)},
    "nearest-exact": {n: "nearest-exact" for n in (1, 2, 3)},
    "linear": {1: "linear", 2: "bilinear", 3: "trilinear"},
    "cubic": {2: "bicubic"},
}


def check(sizes: Any, new: Any, method: str, data_format: str = "N...C", **options: Any) -> None:
    last = data_format == "N...C"

    def theirs(x: torch.Tensor) -> torch.Tensor:
        x = x.movedim(-1, 1) if last else x
        mode = MODES[method][len(sizes)]
        y = torch.nn.functional.interpolate(x, size=new, mode=mode, **options)
        return y.movedim(1, -1) if last else y

    def ours(x: Any) -> Any:
        return pax.functional.resize(x, new, method, data_format=data_format, **options)

    assert_like_torch(ours, theirs, [normal(2, *sizes, 3) if last else normal(2, 3, *sizes)])


@pytest.mark.parametrize("method", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("new", [(14, 3), (5, 13)])
def test_nearest(method: str, new: Any) -> None:
    check((7, 5), new, method)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("method", ["linear", "cubic"])
def test_two_axes(method: str, align_corners: bool) -> None:
    check((7, 5), (3, 10), method, align_corners=align_corners)


@pytest.mark.parametrize("method", ["linear", "cubic"])
def test_antialias(method: str) -> None:
    check((9, 4), (4, 6), method, antialias=True)


@pytest.mark.slow
@pytest.mark.parametrize("data_format", ["N...C", "NC..."])
@pytest.mark.parametrize("sizes", [(7,), (7, 5), (7, 5, 4)])
@pytest.mark.parametrize("method", MODES)
def test_every_rank(method: str, sizes: Any, data_format: str) -> None:
    if len(sizes) not in MODES[method]:
        return
    for new in ((14, 10, 8), (3, 5, 2), (8, 3, 7), (1, 1, 1), (21, 1, 4)):
        check(sizes, new[: len(sizes)], method, data_format)
        if not method.startswith("nearest"):
            check(sizes, new[: len(sizes)], method, data_format, align_corners=True)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["linear", "cubic"])
@pytest.mark.parametrize("new", [(3, 2), (1, 1), (9, 40), (20, 3), (4, 20)])
def test_antialias_many(method: str, new: Any) -> None:
    check((9, 20), new, method, antialias=True)


def test_every_nearest_entry() -> None:
    interpolate = torch.nn.functional.interpolate
    for size in range(1, 40):
        x = torch.arange(size).double()[None, None]
        for method in ("nearest", "nearest-exact"):
            for new in range(1, 80):
                places, weights = taps(size, new, method, False, False)
                assert weights is None
                np.testing.assert_array_equal(places, interpolate(x, new, mode=method)[0])


@pytest.mark.parametrize("scale", [2, 0.5, (1.5, 3)])
def test_upsample(scale: Any) -> None:
    theirs = torch.nn.Upsample(scale_factor=scale, mode="bilinear")
    layer = pax.Upsample(scale, "linear", data_format="NC...")
    assert_like_torch(layer, theirs, [normal(2, 3, 4, 6)])
