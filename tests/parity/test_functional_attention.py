"""Parity of attention with torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pax.functional import dot_product_attention
from tests.parity.compare import normal
from tests.parity.functions import assert_like_torch


@pytest.mark.parametrize("shape", [None, (3, 5), (2, 1, 3, 5), (2, 4, 3, 5)])
def test_with_and_without_mask(shape: tuple[int, ...] | None) -> None:
    inputs = [normal(2, 3, 4, 8), normal(2, 5, 4, 8), normal(2, 5, 4, 6)]
    mask = None
    if shape is not None:
        mask = np.random.default_rng(1).random(shape) < 0.6
        mask[..., 0] = True  # torch gives NaN where nothing is seen

    def theirs(query: Any, key: Any, value: Any) -> torch.Tensor:
        heads_first = [a.movedim(-3, -2) for a in (query, key, value)]
        seen = None if mask is None else torch.from_numpy(mask)
        y = torch.nn.functional.scaled_dot_product_attention(*heads_first, attn_mask=seen)
        return y.movedim(-2, -3)

    assert_like_torch(lambda *a: dot_product_attention(*a, mask), theirs, inputs)
