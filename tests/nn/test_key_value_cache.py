"""Caches of attention: what is written where, in place, and what does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.contracts.case import optimization

B, H, K, D = 2, 2, 4, 8


def random(*shape: int) -> np.ndarray:
    """Returns random numbers."""
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def made(**options: Any) -> Any:
    """Returns a layer."""
    return pax.MultiHeadAttention(H, K, 1.0, **options).eval()


@pytest.fixture(autouse=True)
def in_haste() -> Iterator[None]:
    """Compiles quickly what is computed once."""
    with optimization(False):
        yield


@jax.jit
def step(attention: Any, x: Any, cache: Any, lengths: Any = None) -> Any:
    """Reads some tokens."""
    return attention.decode(x, cache, lengths=lengths)


def test_what_is_written() -> None:
    attention, x = made(), random(B, 3, D)
    empty = attention.make_cache(B, 5)
    np.testing.assert_array_equal(empty.positions, np.full((B, 5), -1))
    _, cache = step(attention, x, empty, np.array([2, 0]))
    np.testing.assert_array_equal(cache.positions, [[0, 1, -1, -1, -1], [-1] * 5])
    np.testing.assert_array_equal(cache.length, [2, 0])
    key = attention.key_projection(x).reshape(B, 3, H, K).swapaxes(1, 2)
    np.testing.assert_allclose(cache.key[0, :, :2], key[0, :, :2], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(cache.key[0, :, 2:], np.zeros((H, 3, K)))
    np.testing.assert_array_equal(cache.value[1], np.zeros((H, 5, K)))
    _, cache = step(attention, x, cache, np.array([3, 1]))
    np.testing.assert_array_equal(cache.positions, [[0, 1, 2, 3, 4], [0, -1, -1, -1, -1]])
    np.testing.assert_allclose(cache.key[0, :, 2:], key[0], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_dense_layers_that_are_wrapped() -> None:
    attention, x = made(), random(B, 3, D)
    wrapped = attention.replace(key_projection=pax.WeightNorm(attention.key_projection)).eval()
    y, cache = wrapped.decode(x, wrapped.make_cache(B, 3))
    assert cache.key.dtype == np.float32
    np.testing.assert_allclose(y, attention(x, x, x, is_causal=True), rtol=1e-5, atol=1e-5)


def test_a_window_is_a_ring() -> None:
    attention, x = made(window=3), random(B, 5, D)
    cache = attention.make_cache(B, 100)
    assert cache.key.shape == (B, H, 3, K)
    _, cache = step(attention, x, cache, np.array([5, 2]))
    np.testing.assert_array_equal(cache.positions, [[3, 4, 2], [0, 1, -1]])
    value = attention.value_projection(x).reshape(B, 5, H, K).swapaxes(1, 2)
    np.testing.assert_allclose(
        cache.value[0], value[0, :, [3, 4, 2]].swapaxes(0, 1), rtol=1e-5, atol=1e-6
    )
    _, cache = step(attention, x, cache, np.array([1, 2]))
    np.testing.assert_array_equal(cache.positions, [[3, 4, 5], [3, 1, 2]])
    np.testing.assert_array_equal(cache.length, [6, 4])


@pytest.mark.slow
def test_a_window_beyond_the_cache_is_a_cache_without_ring() -> None:
    attention, x = made(window=9), random(B, 4, D)
    cache = attention.make_cache(B, 4)
    assert cache.positions.shape == (B, 4)
    y, cache = step(attention, x, cache)
    assert np.isfinite(y).all()
    assert np.isnan(step(attention, x[:, :1], cache)[0]).all()


def test_what_is_beyond_the_cache_is_nan_where_it_is_not_known() -> None:
    attention, x = made(), random(B, 3, D)
    _, cache = step(attention, x, attention.make_cache(B, 5), np.array([3, 1]))
    y, cache = step(attention, x, cache)
    is_nan = np.isnan(y)
    np.testing.assert_array_equal(is_nan.all(-1), [[False, False, True], [False] * 3])
    np.testing.assert_array_equal(is_nan.any(-1), is_nan.all(-1))
    np.testing.assert_array_equal(cache.positions, [[0, 1, 2, 3, 4], [0, 1, 2, 3, -1]])
    for lengths in ([4, 1], [-1, 1]):
        y, _ = step(attention, x, attention.make_cache(B, 5), np.array(lengths))
        np.testing.assert_array_equal(np.isnan(y).all((1, 2)), [True, False])


@pytest.mark.slow
def test_a_row_can_be_taken_back() -> None:
    """A smaller length forgets the last tokens: those that follow are written over them."""
    attention, x = made(), random(B, 3, D)
    _, cache = step(attention, x, attention.make_cache(B, 5))
    other, _ = step(attention, x[:, :1], cache._replace(length=cache.length - 2))
    _, cache = step(attention, x[:, :1], attention.make_cache(B, 5))
    expected, _ = step(attention, x[:, :1], cache)
    np.testing.assert_allclose(other, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_cache_of_another_dtype() -> None:
    attention, x = made(num_kv_heads=1), random(B, 3, D)
    cache = attention.make_cache(B, 5, dtype=jnp.bfloat16)
    y, after = step(attention, x, cache)
    assert (y.dtype, after.key.dtype, after.value.dtype) == (np.float32, jnp.bfloat16, jnp.bfloat16)
    expected, _ = step(attention, x, attention.make_cache(B, 5))
    assert not np.array_equal(y, expected)
    np.testing.assert_allclose(y, expected, atol=0.02)
    assert attention.map(lambda a: a.astype(jnp.float16)).make_cache(1, 1).key.dtype == np.float16


def test_edge_shapes() -> None:
    attention = made()
    y, cache = step(attention, random(0, 3, D), attention.make_cache(0, 5))
    assert (y.shape, cache.key.shape) == ((0, 3, D), (0, H, 5, K))
    y, cache = step(attention, random(B, 0, D), attention.make_cache(B, 5))
    assert y.shape == (B, 0, D)
    np.testing.assert_array_equal(cache.length, [0, 0])


@pytest.mark.parametrize("window", [None, pytest.param(32, marks=pytest.mark.slow)])
def test_steps_write_in_place_and_compile_once(window: int | None) -> None:
    attention, traces = made(window=window), []

    def run(attention: Any, x: Any, cache: Any) -> Any:
        traces.append(x.shape)
        return attention.decode(x, cache)

    compiled_step = jax.jit(run, donate_argnums=2)
    cache, x = attention.make_cache(B, 4096 if window is None else 64), random(B, 1, D)
    size = sum(a.nbytes for a in cache)
    with optimization(True):
        memory = compiled_step.lower(attention, x, cache).compile().memory_analysis()
    assert memory.alias_size_in_bytes >= size
    assert memory.temp_size_in_bytes < size / 4
    for _ in range(5):
        _, cache = compiled_step(attention, x, cache)
    assert traces == [(B, 1, D)]
    np.testing.assert_array_equal(cache.length, [5, 5])


@jax.jit
def cross(attention: Any, query: Any, key: Any, mask: Any) -> Any:
    """Attends to a source in one call, and in two steps."""
    whole = attention(query, key, key, mask[:, None, None, :])
    source = attention.project_source(key, mask=mask)
    at = np.arange(query.shape[1])
    steps = [
        attention.attend(query[:, t : t + 1], source, positions=at[t : t + 1]) for t in range(3)
    ]
    return whole, jnp.concatenate(steps, axis=1), source


@pytest.mark.parametrize(
    "options",
    [{"position": pax.Alibi(H), "window": 3}, pytest.param({}, marks=pytest.mark.slow)],
    ids=repr,
)
def test_a_source_is_read_as_in_one_call(options: Any) -> None:
    attention = made(key_dim=5, num_kv_heads=1, value_size=3, **options)
    mask = np.array([[1, 1, 0, 1], [0, 0, 0, 0]])  # the second row sees nothing
    whole, steps, source = cross(attention, random(B, 3, D), random(B, 4, 5), mask)
    np.testing.assert_allclose(steps, whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(source.length, [3, 0])
    np.testing.assert_array_equal(source.positions, [[0, 1, -1, 3], [-1] * 4])
    bias = np.broadcast_to(attention.output_projection.bias, (3, D))
    np.testing.assert_array_equal(steps[1], bias)


class Model(pax.Module):
    """Holds a layer, and decodes by it."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.attention = attention

    def decode(self, x: Any, cache: Any, **options: Any) -> Any:
        return self.attention.decode(x, cache, **options)


TEXT = "MultiHeadAttention(num_heads=2, key_size=4)"
X = random(B, 3, D)


def full(length: int) -> Any:
    """Returns a cache of five slots with so many tokens in the second row."""
    return made().make_cache(B, 5)._replace(length=jnp.array([0, length]))


@pytest.mark.parametrize(
    ("kind", "layer", "x", "cache", "options", "found", "fix"),
    [
        (
            pax.ArgumentError,
            made(),
            X,
            full(3),
            {},
            f"{TEXT} got 3 tokens for row 1 of a cache that holds 3 of at most 5.",
            "make a longer cache: make_cache(batch_size, max_length=6).",
        ),
        (
            pax.ArgumentError,
            made(),
            X,
            full(0),
            {"lengths": np.array([4, 1])},
            f"{TEXT} got lengths=[4, 1] with 3 places; expected integers from 0 to 3.",
            "count the tokens of each row, the first ones: mask.sum(axis=1).",
        ),
        (
            pax.DtypeError,
            made(),
            X,
            full(0),
            {"lengths": np.ones(2, np.float32)},
            f"{TEXT} got lengths of dtype float32; expected integers.",
            "convert them first: lengths.astype(jnp.int32).",
        ),
        (
            pax.ShapeError,
            made(),
            X,
            full(0),
            {"lengths": np.array([1])},
            f"{TEXT} got lengths of shape (1,); expected (2,).",
            "give one length for each row of the batch.",
        ),
        (
            pax.CallError,
            made(),
            X,
            tuple(full(0)),
            {},
            f"{TEXT} got a cache of type tuple; expected KeyValueCache.",
            "pass what layer.make_cache returned.",
        ),
        (
            pax.ShapeError,
            made(),
            X[:1],
            full(0),
            {},
            f"{TEXT} got cache.key of shape (2, 2, 5, 4) with a query of shape (1, 3, 8); expected "
            "(1, 2, 5, 4).",
            "pass what make_cache of this layer returned for this batch.",
        ),
        (
            pax.ShapeError,
            made(),
            X[0],
            full(0),
            {},
            f"{TEXT} got query of shape (3, 8) with a cache; expected (batch, time, 8).",
            "add the batch axis with x[None].",
        ),
        (
            pax.ArgumentError,
            made(key_dim=5),
            X,
            full(0),
            {},
            "MultiHeadAttention(num_heads=2, key_size=4, key_dim=5) cannot decode: query, key and "
            "value have widths 8, 5 and 5, and are one sequence here.",
            "for cross-attention call project_source once, and attend at each step.",
        ),
        (
            pax.ArgumentError,
            made(position=pax.Alibi(H)),
            X,
            full(0),
            {"position": pax.Alibi(H)},
            f"{TEXT} got position=Alibi(num_heads=2) at the call although it has its own.",
            "build the layer without position, or leave it out at the call.",
        ),
    ],
)
def test_bad_steps(
    kind: Any, layer: Any, x: Any, cache: Any, options: Any, found: str, fix: str, unchecked: None
) -> None:
    with pytest.raises(kind) as raised:
        Model(layer).decode(x, cache, **options)
    assert str(raised.value) == f"{found}\n  at: model.attention\n  fix: {fix}"


def test_a_prompt_beyond_the_cache_is_known_under_jit() -> None:
    with pytest.raises(pax.ArgumentError, match=r"got 3 tokens for row 0 .* holds 0 of at most 2"):
        step(made(), X, made().make_cache(B, 2))


@pytest.mark.parametrize(
    ("kind", "call", "found", "fix"),
    [
        (
            pax.ArgumentError,
            lambda: made(window=3).attend(X, made().project_source(X)),
            "MultiHeadAttention(num_heads=2, key_size=4, window=3) attends to a source without "
            "positions of the query; expected them, since the layer has a window or position.",
            "pass positions=cache.length[:, None] + jnp.arange(T)[None], with a cache of the "
            "decoder's self-attention.",
        ),
        (
            pax.CallError,
            lambda: made().attend(X, X),
            f"{TEXT} got a source of type ndarray; expected KeyValueCache.",
            "pass what layer.project_source returned.",
        ),
        (
            pax.ShapeError,
            lambda: made().project_source(X, X[:, :2]),
            f"{TEXT} got key (2, 3, 8) and value (2, 2, 8) of a source; expected "
            "(batch, time, width), and as many values as keys.",
            "add the batch axis with x[None], and pass the same sequence as key and value.",
        ),
        (
            pax.ShapeError,
            lambda: made().project_source(X, mask=np.ones((B, 3, 3), bool)),
            f"{TEXT} got mask of shape (2, 3, 3) for a source of shape (2, 3, 8); expected (2, 3).",
            "say for each place of the source whether it may be seen; a mask that depends on the "
            "query is for a call of the layer.",
        ),
        (
            pax.ArgumentError,
            lambda: made().make_cache(2, 0),
            "MultiHeadAttention.make_cache got max_length=0; expected an integer of at least 1.",
            "set max_length to a positive integer.",
        ),
        (
            pax.ArgumentError,
            lambda: made().make_cache(-1, 2),
            "MultiHeadAttention.make_cache got batch_size=-1; expected an integer of at least 0.",
            "write batch_size=1.",
        ),
    ],
)
def test_bad_sources_and_sizes(kind: Any, call: Any, found: str, fix: str, unchecked: None) -> None:
    with pytest.raises(kind) as raised:
        call()
    assert (raised.value.found, raised.value.fix) == (found, fix)
