"""Parity of activations and gated layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as of_torch

import pax
from tests.parity import functions
from tests.parity.compare import assert_like_torch, normal


@pytest.mark.parametrize("approximate", [True, False])
def test_gelu(approximate: bool) -> None:
    functions.assert_like_torch(
        lambda x: pax.functional.gelu(x, approximate=approximate),
        lambda x: of_torch.gelu(x, approximate="tanh" if approximate else "none"),
        [3 * normal(4, 5)],
    )


@pytest.mark.parametrize("axis", [-1, 0])
def test_glu(axis: int) -> None:
    functions.assert_like_torch(
        lambda x: pax.functional.glu(x, axis), lambda x: of_torch.glu(x, axis), [normal(4, 6)]
    )


@pytest.mark.parametrize(
    ("make", "activation"),
    [
        (pax.GLU, torch.sigmoid),
        pytest.param(pax.SwiGLU, of_torch.silu, marks=pytest.mark.slow),
        (pax.GeGLU, lambda x: of_torch.gelu(x, approximate="tanh")),
    ],
    ids=["GLU", "SwiGLU", "GeGLU"],
)
def test_gated_layers(make: Any, activation: Any) -> None:
    def reference(p: Any, x: torch.Tensor) -> torch.Tensor:
        value, gate = of_torch.linear(x, p["weight"].T, p["bias"]).chunk(2, -1)
        return value * activation(gate)

    assert_like_torch(lambda: make(4, 3), [normal(2, 5, 4)], reference)


@pytest.mark.parametrize("channels", [1, 3])
def test_prelu(channels: int) -> None:
    assert_like_torch(
        lambda: pax.PReLU(channels, data_format="NC..."),
        [normal(5, 3, 4)],
        lambda p, x: of_torch.prelu(x, p["weight"]),
    )
