"""Parity of normalisation with torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pax.functional import batch_normalize, group_normalize, layer_normalize, normalize
from tests.parity.compare import normal
from tests.parity.functions import assert_like_torch

NORMS = torch.nn.functional


def test_layer_normalize() -> None:
    assert_like_torch(
        lambda x, scale, offset: layer_normalize(x, (1, 2), 1e-3, scale, offset),
        lambda x, scale, offset: NORMS.layer_norm(x, (4, 6), scale, offset, 1e-3),
        [normal(3, 4, 6), normal(4, 6), normal(4, 6, seed=1)],
    )


def test_batch_normalize() -> None:
    def theirs(x: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        x, scale, offset = x.movedim(-1, 1), scale.ravel(), offset.ravel()
        return NORMS.batch_norm(x, None, None, scale, offset, True, 0.0, 1e-3).movedim(1, -1)

    assert_like_torch(
        lambda x, scale, offset: batch_normalize(x, (0, 1, 2), 1e-3, scale, offset)[0],
        theirs,
        [normal(3, 4, 5, 6), normal(1, 1, 1, 6), normal(1, 1, 1, 6, seed=1)],
    )


def test_normalize() -> None:
    def theirs(x: Any, mean: Any, root: Any, scale: Any, offset: Any) -> torch.Tensor:
        return (x - mean) / torch.sqrt(root**2 + 1e-3) * scale + offset

    assert_like_torch(
        lambda x, mean, root, *rest: normalize(x, mean, root**2, 1e-3, *rest),
        theirs,
        [normal(3, 4, 6), *(normal(6, seed=seed) for seed in range(4))],
    )


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_normalize(groups: int) -> None:
    assert_like_torch(
        lambda x, scale, offset: group_normalize(
            x, groups, 1, (1, 2, 3), 1e-3, scale.reshape(6, 1, 1), offset.reshape(6, 1, 1)
        ),
        lambda x, scale, offset: NORMS.group_norm(x, groups, scale, offset, 1e-3),
        [normal(3, 6, 4, 5), normal(6), normal(6, seed=1)],
    )
