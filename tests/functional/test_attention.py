"""Attention of queries to keys."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import DtypeError, ShapeError
from pax.functional import dot_product_attention
from tests.functional.messages import message

attend = jax.jit(dot_product_attention)
slow = functools.partial(pytest.param, marks=pytest.mark.slow)
B, T, S, H, K, V = 2, 3, 5, 4, 8, 6
SHAPES = {"query": (B, T, H, K), "key": (B, S, H, K), "value": (B, S, H, V)}


def arrays(dtype: Any = jnp.float32) -> list[jax.Array]:
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES.values()]


def by_hand(query: Any, key: Any, value: Any, mask: Any = None) -> np.ndarray:
    """Attends one query at a time, in float64."""
    query, key, value = (np.asarray(a, np.float64) for a in (query, key, value))
    mask = np.ones((1, 1)) if mask is None else np.asarray(mask, np.float64)
    mask = np.broadcast_to(mask, (B, H, T, S))
    y = np.zeros((B, T, H, V))
    for b, h, t in np.ndindex(B, H, T):
        seen = [s for s in range(S) if mask[b, h, t, s]]
        scores = np.array([query[b, t, h] @ key[b, s, h] / np.sqrt(K) for s in seen])
        weights = np.exp(scores)
        for w, s in zip(weights / weights.sum(), seen, strict=True):
            y[b, t, h] += w * value[b, s, h]
    return y


def test_without_mask() -> None:
    np.testing.assert_allclose(attend(*arrays()), by_hand(*arrays()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "shape", [(T, S), (1, S), (B, 1, T, S), (B, H, T, S), (1, 1, T, S), (B, 1, 1, S)]
)
@pytest.mark.parametrize("dtype", [jnp.bool_, jnp.int32, jnp.float32])
def test_masks(shape: tuple[int, ...], dtype: Any) -> None:
    mask = np.random.default_rng(1).random(shape) < 0.5
    mask[..., 2] = True
    y = attend(*arrays(), jnp.asarray(mask, dtype))
    np.testing.assert_allclose(y, by_hand(*arrays(), mask), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [slow(jnp.bfloat16), jnp.float16, slow(jnp.float32)])
def test_a_query_that_sees_nothing_gives_zeros_and_zero_gradients(dtype: Any) -> None:
    mask = np.ones((B, 1, T, S), bool)
    mask[1, 0, 2] = False

    @jax.jit
    def run(*arguments: jax.Array) -> Any:
        y, pull = jax.vjp(lambda *a: attend(*a, mask), *arguments)
        return y, pull(y)

    y, gradients = run(*arrays(dtype))
    assert y.dtype == dtype
    assert not y[1, 2].any()
    assert y[0].all()
    for gradient, shape in zip(gradients, SHAPES.values(), strict=True):
        assert gradient.shape == shape
        assert gradient.dtype == dtype
        assert jnp.isfinite(gradient).all()
    assert not gradients[0][1, 2].any()
    assert gradients[0][1, 1].any()
    np.testing.assert_array_equal(
        attend(*arrays(dtype), jnp.zeros((T, S))), jnp.zeros((B, T, H, V), dtype)
    )


@pytest.mark.parametrize("dtype", [jnp.bfloat16, slow(jnp.float16)])
def test_the_softmax_is_made_in_float32(dtype: Any) -> None:
    query, key, value = arrays(dtype)
    query, key = query * 100, key * 100  # scores beyond 65504
    y = attend(query, key, value)
    exact = attend(*(a.astype(jnp.float32) for a in (query, key, value)))
    assert jnp.abs(y.astype(jnp.float32) - exact).max() <= 4 * float(jnp.finfo(dtype).eps)


def test_float64() -> None:
    with jax.enable_x64(True):
        y = attend(*arrays(jnp.float64))
        assert y.dtype == jnp.float64
        np.testing.assert_allclose(y, by_hand(*arrays(jnp.float64)), rtol=1e-13, atol=1e-13)


def test_large_scores_do_not_overflow() -> None:
    query, key, value = arrays()
    y = attend(query * 1e6, key, value)
    assert jnp.isfinite(y).all()
    np.testing.assert_allclose(
        attend(query, key + 1e3, value), attend(query, key, value), atol=2e-2
    )


def test_any_leading_axes() -> None:
    query, key, value = arrays()
    mask = jnp.asarray(np.random.default_rng(2).random((H, T, S)) < 0.7)
    expected = attend(query, key, value, mask[None])
    np.testing.assert_allclose(attend(query[0], key[0], value[0], mask), expected[0], rtol=1e-6)
    mapped = jax.vmap(attend, (0, 0, 0, None))(query, key, value, mask)
    np.testing.assert_allclose(mapped, expected, rtol=1e-5, atol=1e-6)
    deep = attend(query[:, None], key[:, None], value[:, None], mask[None, None])
    np.testing.assert_allclose(deep[:, 0], expected, rtol=1e-5, atol=1e-6)


def test_empty_sequences() -> None:
    query, key, value = arrays()
    assert attend(query[:, :0], key, value).shape == (B, 0, H, V)
    np.testing.assert_array_equal(attend(query, key[:, :0], value[:, :0]), np.zeros((B, T, H, V)))
    assert attend(query[:0], key[:0], value[:0], jnp.ones((T, S))).shape == (0, T, H, V)


def test_a_mask_without_head_axis_is_refused() -> None:
    # with as many examples as heads it would line up with the wrong axis
    assert message(ShapeError, lambda: attend(*arrays(), jnp.ones((B, T, S), bool))) == (
        "dot_product_attention got mask of shape (2, 3, 5) for scores of shape (2, 4, 3, 5) "
        "[..., H, T, S].\n"
        "  fix: add the head axis: mask[:, None]."
    )


@pytest.mark.parametrize("shape", [(S,), (S, T), (B, 2, T, S), (1, B, H, T, S)])
def test_masks_that_do_not_fit(shape: tuple[int, ...]) -> None:
    assert message(ShapeError, lambda: attend(*arrays(), jnp.ones(shape, bool))) == (
        f"dot_product_attention got mask of shape {shape} for scores of shape (2, 4, 3, 5) "
        "[..., H, T, S].\n"
        "  fix: pass a mask of shape [T, S], or [B, 1 or H, T, S] with an axis for the heads."
    )


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("query", (B, T, H, K + 1)),
        ("query", (1, T, H, K)),
        ("query", (T, H, K)),
        ("key", (B, S, H + 1, K)),
        ("value", (B, S + 1, H, V)),
        ("value", (B, S, 1, V)),
    ],
)
def test_shapes_that_do_not_fit(name: str, shape: tuple[int, ...]) -> None:
    given = SHAPES | {name: shape}
    query, key, value = (jnp.ones(s) for s in given.values())
    assert message(ShapeError, lambda: attend(query, key, value)) == (
        f"dot_product_attention got query {given['query']}, key {given['key']}, value "
        f"{given['value']}; expected (..., T, H, K), (..., S, G, K), (..., S, G, V).\n"
        "  fix: split the last axis into heads, x.reshape(*x.shape[:-1], num_heads, key_size), "
        "and give all three equal leading axes."
    )


def test_integers_are_refused() -> None:
    query, key, value = arrays()
    assert message(DtypeError, lambda: attend(query.astype(jnp.int32), key, value)) == (
        "dot_product_attention got query of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. query.astype(jnp.float32)."
    )
