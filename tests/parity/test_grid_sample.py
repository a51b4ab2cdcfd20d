"""Parity of deformable sampling with torch: outputs, gradients of image and grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import pax
from tests.parity.compare import normal
from tests.parity.functions import assert_like_torch

MODES = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}
PADDING_MODES = ["zeros", "border", "reflection"]


def check(
    sizes: tuple[int, ...], method: str, padding_mode: str, align_corners: bool, last: bool = True
) -> None:
    options: dict[str, Any] = {"padding_mode": padding_mode, "align_corners": align_corners}

    def theirs(x: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        x = x.movedim(-1, 1) if last else x
        y = torch.nn.functional.grid_sample(x, grid, mode=MODES[method], **options)
        # torch gives the grid no gradient where it takes the nearest entry: here it is zero
        y = y + 0 * grid.sum()
        return y.movedim(1, -1) if last else y

    def ours(x: Any, grid: Any) -> Any:
        data_format = "N...C" if last else "NC..."
        return pax.functional.grid_sample(x, grid, method, data_format=data_format, **options)

    x = normal(2, *sizes, 3) if last else normal(2, 3, *sizes)
    grid = 1.2 * normal(2, *(size + 1 for size in sizes), len(sizes))  # much of it outside
    assert_like_torch(ours, theirs, [x, grid])


@pytest.mark.parametrize(
    ("method", "padding_mode", "align_corners"),
    [
        ("linear", "zeros", False),
        ("linear", "reflection", True),
        pytest.param("cubic", "border", False, marks=pytest.mark.slow),
        ("nearest", "reflection", False),
    ],
)
def test_two_axes(method: str, padding_mode: str, align_corners: bool) -> None:
    check((4, 5), method, padding_mode, align_corners)


@pytest.mark.slow
@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("padding_mode", PADDING_MODES)
@pytest.mark.parametrize("method", MODES)
def test_all(method: str, padding_mode: str, align_corners: bool) -> None:
    for sizes in ((4, 5), (1, 3), (3, 2, 4)):
        if len(sizes) == 2 or method != "cubic":
            check(sizes, method, padding_mode, align_corners)
            check(sizes, method, padding_mode, align_corners, last=False)


@pytest.mark.parametrize("align_corners", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_turned_and_shifted(align_corners: bool) -> None:
    def theirs(x: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        grid = torch.nn.functional.affine_grid(theta, [2, 3, 4, 5], align_corners=align_corners)
        options: dict[str, Any] = {"padding_mode": "border", "align_corners": align_corners}
        return torch.nn.functional.grid_sample(x, grid, **options)

    def ours(x: Any, theta: Any) -> Any:
        grid = pax.functional.affine_grid(theta, (4, 5), align_corners=align_corners)
        options: dict[str, Any] = {"padding_mode": "border", "align_corners": align_corners}
        return pax.functional.grid_sample(x, grid, data_format="NC...", **options)

    assert_like_torch(ours, theirs, [normal(2, 3, 4, 5), normal(2, 2, 3)])


def test_places_on_the_entries_themselves() -> None:
    # -1, -1/2, 0, 1/2, 1 are five entries, with a slope to the entry after, zero beyond the last
    def theirs(x: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.grid_sample(x, grid, align_corners=True)

    def ours(x: Any, grid: Any) -> Any:
        return pax.functional.grid_sample(x, grid, align_corners=True, data_format="NC...")

    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 3)), -1)
    assert_like_torch(ours, theirs, [normal(2, 1, 3, 5), np.stack([grid, grid])])


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("sizes", [(3, 4), (2, 3, 4)])
def test_affine_grid(sizes: tuple[int, ...], align_corners: bool) -> None:
    def theirs(theta: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.affine_grid(theta, [2, 1, *sizes], align_corners=align_corners)

    assert_like_torch(
        lambda theta: pax.functional.affine_grid(theta, sizes, align_corners=align_corners),
        theirs,
        [normal(2, len(sizes), len(sizes) + 1)],
    )
