"""Parity of the tables: bags, padding, tied outputs; waves by their formulas in float64."""

from __future__ import annotations

from typing import Any

import flax.nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import pax
from tests.parity.compare import assert_like_jax, assert_like_torch, normal
from tests.parity.functions import assert_like_jax as assert_function_like_jax

IDS = np.random.default_rng(0).integers(0, 5, (6, 4))  # some twice in a bag


@pytest.mark.parametrize("padding", [None, 2])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags(mode: str, padding: int | None) -> None:
    assert_like_torch(
        lambda: pax.EmbeddingBag(5, 3, mode, padding_index=padding),
        [],
        lambda p: torch.nn.functional.embedding_bag(
            torch.as_tensor(IDS), p["weight"], mode=mode, padding_idx=padding
        ),
        call=lambda module: module(IDS),
    )


def test_bags_with_factors() -> None:
    assert_like_torch(
        lambda: pax.EmbeddingBag(5, 3, "sum"),
        [normal(6, 4)],
        lambda p, factors: torch.nn.functional.embedding_bag(
            torch.as_tensor(IDS), p["weight"], mode="sum", per_sample_weights=factors
        ),
        call=lambda module, factors: module(IDS, None, factors),
    )


def test_ragged_bags_are_torchs_offsets() -> None:
    sizes = [3, 0, 1, 4]
    flat, offsets = IDS.ravel()[: sum(sizes)], np.cumsum([0, *sizes[:-1]])
    mask = np.arange(4) < np.array(sizes)[:, None]
    padded = np.full(mask.shape, -1)
    padded[mask] = flat
    assert_like_torch(
        lambda: pax.EmbeddingBag(5, 3, "mean"),
        [],
        lambda p: torch.nn.functional.embedding_bag(
            torch.as_tensor(flat), p["weight"], torch.as_tensor(offsets), mode="mean"
        ),
        call=lambda module: module(padded, mask),
    )


def test_padding() -> None:
    assert_like_torch(
        lambda: pax.Embed(5, 3, padding_index=2),
        [],
        lambda p: torch.nn.functional.embedding(torch.as_tensor(IDS), p["weight"], padding_idx=2),
        call=lambda module: module(IDS),
    )


def test_attend() -> None:
    def reference(p: Any, x: Any) -> Any:
        layer = flax.nnx.Embed(5, 3, param_dtype=jnp.float64, rngs=flax.nnx.Rngs(jax.random.key(0)))
        graph, state = flax.nnx.split(layer)
        state["embedding"].set_value(p["weight"])
        return flax.nnx.merge(graph, state).attend(x)

    assert_like_jax(
        lambda: pax.Embed(5, 3),
        [normal(2, 4, 3)],
        reference,
        call=lambda module, x: module.attend(x),
    )


def test_positions() -> None:
    assert_like_torch(
        lambda: pax.PositionEmbed(7, 3), [normal(2, 4, 3)], lambda p, x: x + p["weight"][:4]
    )


@pytest.mark.parametrize("convention", ["transformer", "diffusion"])
def test_waves(convention: str) -> None:
    """Against statements of both papers' programs, entry by entry."""

    def statement(x: jax.Array) -> jax.Array:
        columns: list[jax.Array] = []
        for i in range(4):
            if convention == "transformer":
                columns += [f(x / 10_000 ** (2 * i / 8)) for f in (jnp.sin, jnp.cos)]
            else:
                columns.insert(i, jnp.sin(x * np.exp(-np.log(10_000) * i / 3)))
                columns.append(jnp.cos(x * np.exp(-np.log(10_000) * i / 3)))
        return jnp.stack(columns, axis=-1)

    assert_function_like_jax(
        lambda x: pax.functional.sinusoidal_embed(x, 8, convention=convention),
        statement,
        [100 * normal(5, 2)],
    )


def test_fourier() -> None:
    def statement(x: jax.Array, frequencies: jax.Array) -> jax.Array:
        turns = [2 * np.pi * sum(x[:, j] * frequencies[j, i] for j in range(3)) for i in range(4)]
        return jnp.stack([f(turn) for f in (jnp.cos, jnp.sin) for turn in turns], axis=1)

    assert_function_like_jax(pax.functional.fourier_embed, statement, [normal(5, 3), normal(3, 4)])
