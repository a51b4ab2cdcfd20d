"""Parity of the dense layer and of the embedding table."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import pax
from tests.parity.compare import assert_like_torch, normal


@pytest.mark.parametrize("batch", [(), (5,), (2, 1, 3)], ids=str)
def test_linear(batch: tuple[int, ...]) -> None:
    assert_like_torch(
        lambda: pax.Linear(4, 3),
        [normal(*batch, 4)],
        lambda p, x: torch.nn.functional.linear(x, p["weight"].T, p["bias"]),
    )


def test_linear_without_bias() -> None:
    assert_like_torch(
        lambda: pax.Linear(4, 3, with_bias=False),
        [normal(5, 4)],
        lambda p, x: torch.nn.functional.linear(x, p["weight"].T),
    )


@pytest.mark.parametrize("shape", [(), (7,), (2, 3)], ids=str)
def test_embed(shape: tuple[int, ...]) -> None:
    # seven rows of a table of five: some come twice, and their gradients add up
    ids = np.random.default_rng(0).integers(0, 5, shape)
    assert_like_torch(
        lambda: pax.Embed(5, 3),
        [],
        lambda p: torch.nn.functional.embedding(torch.as_tensor(ids), p["weight"]),
        call=lambda module: module(ids),
    )
