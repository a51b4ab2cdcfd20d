"""Parity of the sub-pixel shuffle with torch."""

from __future__ import annotations

import pytest
import torch

import pax
from tests.parity.compare import normal
from tests.parity.functions import assert_like_torch


@pytest.mark.parametrize("data_format", ["N...C", "NC..."])
def test_both_ways(data_format: str) -> None:
    shuffled, back = torch.nn.PixelShuffle(3), torch.nn.PixelUnshuffle(3)
    last = data_format == "N...C"
    layers = (kind(3, data_format=data_format) for kind in (pax.PixelShuffle, pax.PixelUnshuffle))
    for layer, theirs, channels, sizes in zip(
        layers, (shuffled, back), (18, 2), ((2, 3), (6, 9)), strict=True
    ):
        x = normal(2, *sizes, channels) if last else normal(2, channels, *sizes)

        def reference(x: torch.Tensor, theirs: torch.nn.Module = theirs) -> torch.Tensor:
            return theirs(x.movedim(-1, 1)).movedim(1, -1) if last else theirs(x)

        assert_like_torch(layer, reference, [x])
