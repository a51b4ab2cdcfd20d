"""Random keys: the stream of the specification, on any generator, and never silently baked in."""

from __future__ import annotations

import random
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax._core import key_of
from pax._core import rng as rng_file
from pax._core.rng import key_or_next
from tests.core.samples import unchecked


def numbers(seed: int, count: int) -> list[int]:
    stream = random.Random(seed)
    return [stream.randint(1, 999_999_999) for _ in range(count)]


@pytest.mark.parametrize("seed", [0, 1, 42, -7, 2**70])
def test_the_stream_is_that_of_the_specification(seed: int) -> None:
    pax.seed_rng_key(seed)
    for n in numbers(seed, 5):
        key = pax.next_rng_key()
        expected = jax.random.PRNGKey(n)
        assert key.dtype == expected.dtype
        assert (key == expected).all()


def test_any_integer_is_a_seed() -> None:
    pax.seed_rng_key(np.int64(3))
    first = pax.next_rng_key()
    pax.seed_rng_key(3)
    assert (pax.next_rng_key() == first).all()


@pytest.mark.parametrize("seed", [1.0, "1", None, True, jnp.asarray(1)])
def test_other_seeds_are_refused(seed: object) -> None:
    with pytest.raises(pax.ArgumentError) as error:
        unchecked(pax.seed_rng_key)(seed)
    assert str(error.value) == (
        f"seed_rng_key got a seed of type {type(seed).__name__}; expected an int.\n"
        "  fix: pax.seed_rng_key(42)"
    )


def test_other_generators() -> None:
    pax.seed_rng_key(5)
    (n,) = numbers(5, 1)
    with jax.default_prng_impl("rbg"):
        key, expected = pax.next_rng_key(), jax.random.PRNGKey(n)
        assert key.shape == expected.shape == (4,)
        assert (key == expected).all()
    pax.seed_rng_key(5)
    with jax.enable_custom_prng(True):
        key, expected = pax.next_rng_key(), jax.random.PRNGKey(n)
        assert jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        assert (jax.random.key_data(key) == jax.random.key_data(expected)).all()


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1, -1, -(2**31)])
def test_key_of_is_the_key_of_jax(seed: int) -> None:
    assert (key_of(seed) == jax.random.PRNGKey(seed)).all()
    with jax.enable_x64(True):
        assert (key_of(seed) == jax.random.PRNGKey(seed)).all()


def test_drawing_a_key_compiles_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with jax.log_compiles(True):
        for _ in range(3):
            pax.next_rng_key()
        assert not caplog.records
        jax.jit(lambda x: x + 1)(1.0)
        assert any("Compiling" in record.getMessage() for record in caplog.records)


@pytest.fixture
def unwarned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rng_file, "_warned", type(rng_file._warned)())


@pytest.mark.usefixtures("unwarned")
def test_a_key_drawn_in_a_trace_warns_once() -> None:
    def draw(x: float) -> jax.Array:
        return pax.next_rng_key()

    pax.seed_rng_key(3)
    text = (
        "pax.next_rng_key() was called inside a JAX transformation: the key becomes a constant of "
        "the compiled function, the same at every call. Pass rng_key=... to the layer or "
        "function, and the key as an argument of the transformed function."
    )
    with pytest.warns(UserWarning) as caught:
        key = jax.jit(draw)(1.0)
    assert [str(w.message) for w in caught] == [text]
    assert (key == jax.random.PRNGKey(numbers(3, 1)[0])).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.jit(lambda x: draw(x))(1.0)
        jax.vmap(draw)(jnp.arange(3.0))


@pytest.mark.usefixtures("unwarned")
def test_an_eager_draw_does_not_warn() -> None:
    pax.next_rng_key()
    assert not rng_file._warned.is_set()


def test_a_given_key_is_taken_old_or_new() -> None:
    for key in (jax.random.PRNGKey(3), jax.random.key(3), jax.random.key(3, impl="rbg")):
        assert key_or_next(key) is key
    host = np.array([0, 3], np.uint32)
    assert (key_or_next(host) == jax.random.PRNGKey(3)).all()
    assert (jax.jit(key_or_next)(host) == jax.random.PRNGKey(3)).all()
    pax.seed_rng_key(9)
    assert (key_or_next(None) == jax.random.PRNGKey(numbers(9, 1)[0])).all()


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (3, "3"),
        ("a", "'a'"),
        (np.arange(2), "an array of shape (2,) and dtype int64"),
        (np.zeros((2, 2), np.uint32), "an array of shape (2, 2) and dtype uint32"),
    ],
)
def test_what_is_no_key_is_refused(key: object, found: str) -> None:
    with pytest.raises(pax.ArgumentError) as error:
        key_or_next(key)
    assert str(error.value) == (
        f"rng_key got {found}; expected one random key of JAX.\n  fix: pass jax.random.key(seed), "
        "or leave it out to use the stream of pax.seed_rng_key."
    )


def test_many_keys_are_not_one_key() -> None:
    keys = jax.random.split(jax.random.key(0), 3)
    with pytest.raises(pax.ArgumentError, match=r"shape \(3,\) and dtype key<fry>"):
        key_or_next(keys)
