"""Parity of attention with torch and JAX."""

from __future__ import annotations

from typing import Any

import jax
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


@pytest.mark.parametrize(
    "implementation", ["quadratic", pytest.param("chunked", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("queries", "keys"), [(131, 150), (150, 131)])
def test_causal_with_other_lengths(implementation: str, queries: int, keys: int) -> None:
    inputs = [normal(2, queries, 2, 4), normal(2, keys, 2, 4), normal(2, keys, 2, 4, seed=1)]

    def ours(*inputs: Any) -> Any:
        return dot_product_attention(*inputs, is_causal=True, implementation=implementation)

    def in_torch(query: Any, key: Any, value: Any) -> torch.Tensor:
        heads_first = [a.movedim(-3, -2) for a in (query, key, value)]
        y = torch.nn.functional.scaled_dot_product_attention(*heads_first, is_causal=True)
        return y.movedim(-2, -3)

    assert_like_torch(ours, in_torch, inputs)


@pytest.mark.parametrize("name", ["quadratic", pytest.param("chunked", marks=pytest.mark.slow)])
def test_causal_as_in_jax(name: str) -> None:
    inputs = [normal(2, t, 2, 4, seed=i).astype(np.float32) for i, t in enumerate((131, 150, 150))]
    with jax.numpy_dtype_promotion("standard"):
        expected = jax.nn.dot_product_attention(*inputs, is_causal=True)
    y = dot_product_attention(*inputs, is_causal=True, implementation=name)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
