"""The recurrent translator: what it refuses, and what it generates."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.counting import count_compilations

NET = "Seq2Seq(source_vocab_size=7, target_vocab_size=5, embed_dim=3, hidden_dim=4)"
SOURCE = np.array([[1, 2, 3], [4, 5, 6]])


@pytest.fixture(scope="module")
def net() -> Any:
    return pax.nets.Seq2Seq(7, 5, embed_dim=3, hidden_dim=4, rng_key=jax.random.key(0))


def test_source_of_another_batch(net: Any) -> None:
    with pytest.raises(pax.ShapeError) as error:
        net.make_cache(3, 5, source=SOURCE)
    assert str(error.value) == (
        f"{NET} got tokens of shape (2, 3); expected (3, time).\n"
        "  fix: give one row of tokens for each row of the batch, and of the cache."
    )


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        (np.array([1.0, 2.0]), pax.DtypeError, " of dtype float32; expected integers."),
        (
            np.array([1]),
            pax.ShapeError,
            " of shape (1,) with tokens of shape (2, 3); expected (2,).",
        ),
        (
            np.array([4, -1]),
            pax.ArgumentError,
            "=[4, -1] with 3 places; expected integers from 0 to 3.",
        ),
    ],
)
def test_lengths_that_cannot_be(net: Any, lengths: Any, error: Any, message: str) -> None:
    cache = net.make_cache(2, 5, source=SOURCE)
    with pytest.raises(error) as caught:
        net.decode(SOURCE % 5, cache, lengths=lengths)
    assert str(caught.value).startswith(f"{NET} got lengths{message}\n")


@pytest.mark.slow
def test_a_second_call_compiles_nothing(net: Any) -> None:
    cache = net.make_cache(2, 5, source=SOURCE)
    net.decode(SOURCE % 5, cache)
    with count_compilations() as compilations:
        net.decode(SOURCE % 5, cache)
    assert compilations.count == 0


def test_rows_whose_length_cannot_be_are_nan_in_compiled_programs(net: Any) -> None:
    cache = net.make_cache(2, 5, source=SOURCE)
    decode = jax.jit(lambda lengths: net.decode(SOURCE % 5, cache, lengths=lengths)[0])
    logits = decode(np.array([4, 3]))
    assert jnp.isnan(logits[0]).all()
    assert jnp.isfinite(logits[1]).all()


@pytest.mark.slow
def test_generates_what_the_logits_say(net: Any) -> None:
    start = np.zeros((2, 1), np.int32)
    cache = net.make_cache(2, 5, source=SOURCE)
    found = pax.generation.generate(net, start, max_new_tokens=4, cache=cache).tokens
    so_far = start
    for _ in range(4):
        best = np.argmax(net(SOURCE, so_far)[:, -1], axis=-1)
        so_far = np.concatenate([so_far, best[:, None].astype(np.int32)], axis=1)
    np.testing.assert_array_equal(found, so_far[:, 1:])
