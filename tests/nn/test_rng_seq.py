"""The sequence of random keys: its law, errors."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each


def draw(rngs: pax.RngSeq, num_keys: int = 1) -> tuple[pax.RngSeq, Any]:
    """Returns the sequence after a draw, and what was drawn."""
    return pax.module_and_value(rngs.next_rng_key)(num_keys)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("num_keys", [1, 2, 3])
def test_the_law(num_keys: int, training: bool) -> None:
    rngs = pax.RngSeq(seed=42)
    rngs = rngs if training else rngs.eval()
    state = jax.random.PRNGKey(42)
    for _ in range(2):
        rngs, found = draw(rngs, num_keys)
        state, *keys = jax.random.split(state, num_keys + 1)
        np.testing.assert_array_equal(rngs._rng_key, state)
        np.testing.assert_array_equal(found, keys[0] if num_keys == 1 else keys)
        assert isinstance(found, list if num_keys > 1 else jax.Array)


@pytest.mark.parametrize("seed", [0, 42, -1, 2**40])
def test_a_seed_is_the_key_of_jax(seed: int) -> None:
    np.testing.assert_array_equal(pax.RngSeq(seed)._rng_key, jax.random.PRNGKey(seed))


def test_a_key_counts_more_than_a_seed() -> None:
    key = jax.random.PRNGKey(3)
    np.testing.assert_array_equal(pax.RngSeq(42, key)._rng_key, key)


def test_a_key_of_the_new_style() -> None:
    rngs, found = draw(pax.RngSeq(rng_key=jax.random.key(3)))
    state, key = jax.random.split(jax.random.key(3))
    assert rngs._rng_key == state
    assert found == key


def test_without_either_the_next_of_the_stream_is_taken() -> None:
    pax.seed_rng_key(7)
    rngs = pax.RngSeq()
    pax.seed_rng_key(7)
    np.testing.assert_array_equal(rngs._rng_key, pax.next_rng_key())


def test_a_draw_outside_pure_is_refused() -> None:
    with pytest.raises(pax.PurityError, match="`_rng_key` of RngSeq"):
        pax.RngSeq(1).next_rng_key()


def test_printed_form() -> None:
    assert repr(pax.RngSeq(1)) == "RngSeq"


def seed(value: Any) -> Bad:
    """Returns a seed that is refused."""
    return Bad(
        lambda: pax.RngSeq(value),
        pax.ArgumentError,
        f"RngSeq got seed={value!r}; expected an integer.",
        "write seed=1.",
    )


def count(value: Any) -> Bad:
    """Returns a number of keys that is refused."""
    return Bad(
        lambda: draw(pax.RngSeq(1), value),
        pax.ArgumentError,
        f"RngSeq.next_rng_key got num_keys={value!r}; expected an integer of at least 1.",
        "set num_keys to a positive integer.",
    )


@each(
    *map(seed, ["a", 1.5, True]),
    *map(count, [0, -1, 2.0]),
    Bad(
        lambda: pax.RngSeq(rng_key="a"),
        pax.ArgumentError,
        "rng_key got 'a'; expected one random key of JAX.",
        "pass jax.random.key(seed), or leave it out to use the stream of pax.seed_rng_key.",
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
