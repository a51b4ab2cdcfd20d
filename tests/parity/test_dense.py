"""Parity of the dense layer and of the embedding table."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
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


def test_a_perceptron_in_a_residual_block() -> None:
    linear = torch.nn.functional.linear

    def reference(p: Any, x: torch.Tensor) -> torch.Tensor:
        y = linear(x, p["module.layers.0.weight"].T, p["module.layers.0.bias"])
        y = linear(torch.tanh(y), p["module.layers.1.weight"].T, p["module.layers.1.bias"])
        return y + linear(x, p["shortcut.weight"].T, p["shortcut.bias"])

    assert_like_torch(
        lambda: pax.Residual(pax.MLP((4, 6, 3), jnp.tanh), pax.Linear(4, 3)),
        [normal(5, 4)],
        reference,
    )


def test_branches() -> None:
    assert_like_torch(
        lambda: pax.Concatenate(pax.Linear(3, 3), pax.Identity(), jnp.tanh, axis=-2),
        [normal(5, 2, 3)],
        lambda p, x: torch.cat(
            [
                torch.nn.functional.linear(x, p["modules.0.weight"].T, p["modules.0.bias"]),
                x,
                torch.tanh(x),
            ],
            dim=-2,
        ),
    )


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)], ids=str)
def test_bilinear(batch: tuple[int, ...]) -> None:
    assert_like_torch(
        lambda: pax.Bilinear(4, 3, 2),
        [normal(*batch, 4), normal(*batch, 3)],
        lambda p, x, y: torch.nn.functional.bilinear(
            x, y, torch.permute(p["weight"], (2, 0, 1)), p["bias"]
        ),
    )


@pytest.mark.parametrize(
    ("spec", "shape", "equation"),
    [
        ("... width -> ... heads size", (2, 5, 6), "btw,whs->bths"),
        ("... heads size -> ... heads width", (2, 5, 2, 3), "bths,shw->bthw"),
    ],
)
def test_einsum_linear(spec: str, shape: tuple[int, ...], equation: str) -> None:
    assert_like_torch(
        lambda: pax.EinsumLinear(spec, {"width": 6, "heads": 2, "size": 3}),
        [normal(*shape)],
        lambda p, x: torch.einsum(equation, x, p["weight"]) + p["bias"],
    )


@pytest.mark.parametrize("axes", [(1, -1), (0, 1)], ids=str)
def test_flatten(axes: tuple[int, int]) -> None:
    assert_like_torch(
        lambda: pax.Flatten(*axes), [normal(2, 3, 4)], lambda p, x: torch.flatten(x, *axes)
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
