"""Additive attention: sums by hand, masks, edges, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.contracts.case import optimization
from tests.functional.messages import message
from tests.nn.bad import Bad, each
from tests.nn.run import called

B, T, S = 2, 3, 4


def random(*shape: int) -> np.ndarray:
    """Returns random numbers."""
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


QUERY, KEY, VALUE = random(B, T, 3), random(B, S, 5), random(B, S, 2)


@pytest.fixture(autouse=True)
def in_haste() -> Iterator[None]:
    """Compiles quickly what is computed once."""
    with optimization(False):
        yield


def layer() -> Any:
    """Returns a layer with random numbers in all of its arrays."""
    return pax.AdditiveAttention(3, 5, 6).map(lambda x: x + random(*x.shape))


def in_numpy(layer: Any, mask: np.ndarray) -> np.ndarray:
    """Computes the layer in float64, pair by pair."""
    q = QUERY.astype(np.float64) @ np.asarray(layer.query_projection.weight)
    q = q + np.asarray(layer.query_projection.bias)
    k = KEY.astype(np.float64) @ np.asarray(layer.key_projection.weight)
    out = np.zeros((B, T, 2))
    for b, t in np.ndindex(B, T):
        weights = np.zeros(S)
        for s in np.flatnonzero(np.broadcast_to(mask, (B, T, S))[b, t]):
            weights[s] = np.exp(np.tanh(q[b, t] + k[b, s]) @ np.asarray(layer.weight))
        out[b, t] = weights @ VALUE[b] / (weights.sum() or 1)
    return out


MASKS = {
    "[T, S]": np.tril(np.ones((T, S), bool), -1),  # the first place sees nothing
    "[B, T, S]": random(B, T, S) > 0.5,
    "[B, 1, S]": random(B, 1, S) > 0.0,
}


@pytest.mark.parametrize("mask", [None, *MASKS.values()], ids=["none", *MASKS])
def test_by_loops(mask: np.ndarray | None) -> None:
    attention = layer()
    expected = in_numpy(attention, np.ones((T, S)) if mask is None else mask)
    found = called(attention, QUERY, KEY, VALUE, mask)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_what_sees_nothing_gives_zeros_and_no_gradient() -> None:
    mask = np.zeros((T, S), bool)

    def total(attention: Any, inputs: Any) -> Any:
        y = attention(*inputs, mask)
        return y.sum(), y

    gradient = jax.jit(jax.grad(total, (0, 1), has_aux=True))
    gradients, y = gradient(layer(), (QUERY, KEY, VALUE))
    for x in jax.tree.leaves((gradients, y)):
        np.testing.assert_array_equal(x, np.zeros_like(x))


@pytest.mark.slow
def test_edge_shapes_and_dtypes() -> None:
    attention = layer()
    assert called(attention, QUERY[:0], KEY[:0], VALUE[:0]).shape == (0, T, 2)
    np.testing.assert_array_equal(called(attention, QUERY, KEY[:, :0]), np.zeros((B, T, 5)))
    one = called(attention, QUERY, KEY[:, :1])  # one place to see: its value, whatever the query
    np.testing.assert_allclose(one, np.broadcast_to(KEY[:, :1], (B, T, 5)), rtol=1e-6)
    alone = called(attention, QUERY[0], KEY[0])
    np.testing.assert_allclose(alone, called(attention, QUERY, KEY)[0], rtol=1e-5, atol=1e-6)
    half = attention.map(lambda x: x.astype(jnp.bfloat16))
    y = called(half, *(jnp.asarray(x, jnp.bfloat16) for x in (QUERY, KEY)))
    assert y.dtype == jnp.bfloat16


def test_no_bias_and_initial_values() -> None:
    attention = pax.AdditiveAttention(30, 50, 200, with_bias=False)
    assert attention.query_projection.bias is None
    assert attention.key_projection.bias is None
    assert np.var(attention.weight) == pytest.approx(1 / 200, rel=0.3)


TEXT = "AdditiveAttention(query_dim=3, key_dim=5, hidden_dim=6)"


@each(
    Bad(
        lambda: pax.AdditiveAttention(3, 5, 0),
        pax.ArgumentError,
        "AdditiveAttention got hidden_dim=0; expected an integer of at least 1.",
        "set hidden_dim to a positive integer.",
    ),
    Bad(
        layer,
        pax.ShapeError,
        f"{TEXT} got key of shape (2, 4, 2); expected (..., 5).",
        "the layer before gives 2 features; build this one with key_dim=2.",
        (QUERY, VALUE),
    ),
    Bad(
        layer,
        pax.ShapeError,
        f"{TEXT} got query (2, 3), key (2, 4, 5), value (2, 4, 5); expected equal batch axes, and "
        "as many values as keys.",
        "give a single state of a decoder an axis of time: query[:, None].",
        (QUERY[:, 0], KEY),
    ),
    Bad(
        layer,
        pax.ShapeError,
        "additive_attention got mask of shape (2, 4) for scores of shape (2, 3, 4) [..., T, S].",
        "pass a mask of shape [T, S], or [B, T, S]; of places of the source alone, mask[:, None].",
        (QUERY, KEY, VALUE, np.ones((B, S), bool)),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()


def test_bad_shapes_of_the_function(unchecked: None) -> None:
    text = (
        "additive_attention got query (2, 3, 3), key (2, 4, 5), value (2, 4, 2), weight (3,); "
        "expected (..., T, D), (..., S, D), (..., S, V), (D,).\n"
        "  fix: map queries and keys to one width first, and give all equal leading axes."
    )
    arrays = QUERY, KEY, VALUE, random(3)
    call = lambda: pax.functional.additive_attention(*arrays)  # noqa: E731
    assert message(pax.ShapeError, call) == text
