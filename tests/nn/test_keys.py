"""Random keys of initial weights: given, old-style or new, or the next of the stream."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax

DRAWN = pax.initializers.normal(1.0)

#: Every layer that takes a key, with all that it may draw, and how many keys it takes from the
#: stream when none is given.
KEYED: dict[str, tuple[Any, int]] = {
    "Linear": (lambda **key: pax.Linear(2, 3, b_init=DRAWN, **key), 1),
    "Embed": (lambda **key: pax.Embed(2, 3, **key), 1),
    "Conv1D": (lambda **key: pax.Conv1D(2, 3, 3, b_init=DRAWN, **key), 1),
    "Conv2D": (lambda **key: pax.Conv2D(2, 3, 3, b_init=DRAWN, **key), 1),
    "Conv1DTranspose": (lambda **key: pax.Conv1DTranspose(2, 3, 3, b_init=DRAWN, **key), 1),
    "Conv2DTranspose": (lambda **key: pax.Conv2DTranspose(2, 3, 3, b_init=DRAWN, **key), 1),
    "LayerNorm": (lambda **key: pax.LayerNorm(3, -1, True, True, 1e-5, DRAWN, DRAWN, **key), 1),
    "GroupNorm": (lambda **key: pax.GroupNorm(1, 3, scale_init=DRAWN, **key), 1),
    "VanillaRNN": (lambda **key: pax.VanillaRNN(2, 3, **key), 1),
    "LSTM": (lambda **key: pax.LSTM(2, 3, **key), 1),
    "GRU": (lambda **key: pax.GRU(2, 3, **key), 2),
    "MultiHeadAttention": (lambda **key: pax.MultiHeadAttention(1, 2, 1.0, **key), 4),
    "RngSeq": (lambda **key: pax.RngSeq(**key), 1),
}
OVER_KEYED = pytest.mark.parametrize("layer", KEYED)

#: What draws nothing takes nothing from the stream.
UNKEYED = {
    "BatchNorm1D": lambda: pax.BatchNorm1D(3),
    "BatchNorm2D": lambda: pax.BatchNorm2D(3),
    "LayerNorm": lambda: pax.LayerNorm(3, -1, True, True),
    "GroupNorm": lambda: pax.GroupNorm(1, 3),
    "EMA": lambda: pax.EMA(0.0, 0.9),
    "RngSeq": lambda: pax.RngSeq(seed=3),
    "Lambda": lambda: pax.Lambda(jax.nn.relu),
}


def numbers(module: pax.Module) -> list[np.ndarray]:
    """Returns the arrays of a module, keys as numbers."""
    leaves = jax.tree.leaves(module)
    typed = [jnp.issubdtype(x.dtype, jax.dtypes.prng_key) for x in leaves]
    return [
        np.asarray(jax.random.key_data(x) if t else x) for x, t in zip(leaves, typed, strict=True)
    ]


def assert_equal(one: pax.Module, two: pax.Module) -> None:
    """Asserts that two modules hold the same numbers."""
    for x, y in zip(numbers(one), numbers(two), strict=True):
        np.testing.assert_array_equal(x, y)


@OVER_KEYED
def test_old_and_new_keys_give_the_same_weights(layer: str) -> None:
    make, _ = KEYED[layer]
    old = make(rng_key=jax.random.PRNGKey(5))
    assert_equal(make(rng_key=jax.random.key(5)), old)
    assert_equal(make(rng_key=np.array([0, 5], np.uint32)), old)
    other = numbers(make(rng_key=jax.random.PRNGKey(6)))
    assert any((x != y).any() for x, y in zip(numbers(old), other, strict=True))


@OVER_KEYED
def test_a_given_key_leaves_the_stream_alone(layer: str) -> None:
    pax.seed_rng_key(7)
    expected = pax.next_rng_key()
    pax.seed_rng_key(7)
    KEYED[layer][0](rng_key=jax.random.PRNGKey(5))
    np.testing.assert_array_equal(pax.next_rng_key(), expected)


@OVER_KEYED
def test_without_a_key_the_next_of_the_stream_are_taken(layer: str) -> None:
    make, count = KEYED[layer]
    pax.seed_rng_key(7)
    module, after = make(), pax.next_rng_key()
    pax.seed_rng_key(7)
    keys = [pax.next_rng_key() for _ in range(count)]
    np.testing.assert_array_equal(pax.next_rng_key(), after)
    pax.seed_rng_key(7)
    assert_equal(make(), module)
    if count == 1:
        assert_equal(make(rng_key=keys[0]), module)


@pytest.mark.parametrize("layer", UNKEYED)
def test_what_draws_nothing_takes_no_key(layer: str) -> None:
    pax.seed_rng_key(7)
    expected = pax.next_rng_key()
    pax.seed_rng_key(7)
    UNKEYED[layer]()
    np.testing.assert_array_equal(pax.next_rng_key(), expected)


@pytest.mark.parametrize("make_key", [jax.random.PRNGKey, jax.random.key])
def test_dropout_takes_either_kind(make_key: Any) -> None:
    x = np.random.default_rng(0).standard_normal(50).astype(np.float32)
    dropped = jax.random.bernoulli(jax.random.PRNGKey(3), 0.4, (50,))
    np.testing.assert_array_equal(pax.dropout(make_key(3), 0.4, x) == 0, dropped)
