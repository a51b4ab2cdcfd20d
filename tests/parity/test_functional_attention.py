"""Parity of attention with torch, JAX and flax."""

from __future__ import annotations

from typing import Any

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from pax.functional import dot_product_attention
from tests.parity.compare import normal
from tests.parity.functions import assert_like_jax, assert_like_torch


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


IMPLEMENTATIONS = ["quadratic", pytest.param("chunked", marks=pytest.mark.slow)]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("groups", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_heads_in_groups_with_a_bias_and_a_scale(implementation: str, groups: int) -> None:
    inputs = [normal(2, 3, 6, 8), normal(2, 5, groups, 8), normal(2, 5, groups, 4), normal(3, 5)]

    def ours(query: Any, key: Any, value: Any, bias: Any) -> Any:
        return dot_product_attention(
            query, key, value, bias=bias, scale=0.2, implementation=implementation
        )

    def in_torch(query: Any, key: Any, value: Any, bias: Any) -> torch.Tensor:
        heads_first = [a.movedim(-3, -2) for a in (query, key, value)]
        y = torch.nn.functional.scaled_dot_product_attention(
            *heads_first, attn_mask=bias, scale=0.2, enable_gqa=True
        )
        return y.movedim(-2, -3)

    assert_like_torch(ours, in_torch, inputs)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("is_causal", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_windows_as_in_jax(implementation: str, is_causal: bool) -> None:
    # keys enough for each query: JAX gives the mean of all values to one that sees none
    inputs = [normal(2, 131, 4, 4), normal(2, 150, 2, 4), normal(2, 150, 2, 4, seed=1)]
    window = 9

    def ours(*inputs: Any) -> Any:
        return dot_product_attention(
            *inputs, is_causal=is_causal, window=window, implementation=implementation
        )

    def in_jax(*inputs: Any) -> Any:
        # theirs counts the places beside the own one
        sides = (window - 1, 0 if is_causal else window - 1)
        with jax.numpy_dtype_promotion("standard"):
            return jax.nn.dot_product_attention(
                *inputs, is_causal=is_causal, local_window_size=sides
            )

    found = jax.jit(ours)(*(x.astype(np.float32) for x in inputs))  # theirs is one of float32
    expected = jax.jit(in_jax)(*(x.astype(np.float32) for x in inputs))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_lengths_and_bias_as_in_jax() -> None:
    rng = np.random.default_rng(2)
    inputs = [
        rng.standard_normal(s).astype(np.float32)
        for s in ((2, 3, 4, 8), (2, 5, 2, 8), (2, 5, 2, 8), (1, 4, 3, 5))
    ]
    lengths = np.array([2, 5], np.int32)

    def ours(query: Any, key: Any, value: Any, bias: Any) -> Any:
        places = np.where(np.arange(5) < lengths[:, None], np.arange(5), -1)
        return dot_product_attention(query, key, value, bias=bias, key_positions=places)

    def in_jax(query: Any, key: Any, value: Any, bias: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"):
            return jax.nn.dot_product_attention(
                query, key, value, bias=bias, key_value_seq_lengths=lengths
            )

    np.testing.assert_allclose(
        jax.jit(ours)(*inputs), jax.jit(in_jax)(*inputs), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_segments_and_bias_as_in_flax(implementation: str) -> None:
    inputs = [normal(2, 6, 3, 4, seed=i) for i in range(3)] + [normal(2, 3, 6, 6)]
    ids = np.array([[0, 0, 0, 1, 1, 2], [3, 3, 4, 4, 4, 4]])

    def ours(query: Any, key: Any, value: Any, bias: Any) -> Any:
        return dot_product_attention(
            query,
            key,
            value,
            bias=bias,
            is_causal=True,
            query_segment_ids=ids,
            key_segment_ids=ids,
            implementation=implementation,
        )

    def in_flax(query: Any, key: Any, value: Any, bias: Any) -> Any:
        same = flax.linen.make_attention_mask(ids, ids, jnp.equal)
        mask = flax.linen.combine_masks(same, flax.linen.make_causal_mask(ids))
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return flax.linen.dot_product_attention(query, key, value, bias, mask)

    assert_like_jax(ours, in_flax, inputs)
