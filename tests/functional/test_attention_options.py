"""Every option of attention, against one query and one key at a time in float64."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax.functional import dot_product_attention
from tests.functional.attention_by_hand import by_hand

B, T, S, H, K, V = 2, 4, 5, 6, 3, 2
RNG = np.random.default_rng(7)
SLOW = pytest.mark.slow
NORMAL = RNG.standard_normal
PLACES = {"query_positions": np.array([3, 4, 5, 6]), "key_positions": np.array([5, -1, 3, 4, 9])}
OF_ROWS = {
    "query_positions": np.array([[0, 1, 2, 3], [6, 7, 8, 9]]),
    "key_positions": np.array([[0, 1, -1, 2, -1], [5, 6, 7, 8, 4]]),
}
IDS = {
    "query_segment_ids": np.array([[0, 0, 1, 2], [5, 7, 7, 9]]),
    "key_segment_ids": np.array([[0, 1, 1, 1, 0], [7, 5, 5, 7, 8]]),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "causal": {"is_causal": True},
    "window": {"window": 2},
    "causal window": {"is_causal": True, "window": 2},
    "positions": PLACES,
    "causal positions": PLACES | {"is_causal": True},
    "causal window, positions of rows": OF_ROWS | {"is_causal": True, "window": 3},
    "positions of queries alone": {"query_positions": np.array([[2, 3, 4, 5]]), "is_causal": True},
    "positions of keys alone": {"key_positions": np.array([3, 1, -2, 0, 2]), "is_causal": True},
    "segment ids": IDS,
    "one row of segment ids": {
        "query_segment_ids": np.array([1, 1, 2, 3]),
        "key_segment_ids": np.array([1, 2, 2, 1, 1]),
    },
    "bias [T, S]": {"bias": NORMAL((T, S))},
    "bias [1, H, T, S]": {"bias": NORMAL((1, H, T, S))},
    "bias [B, 1, 1, S]": {"bias": NORMAL((B, 1, 1, S))},
    "slopes": {"alibi_slopes": 2.0 ** -np.arange(H)},
    "slopes, positions": OF_ROWS | {"alibi_slopes": 2.0 ** -np.arange(H)},
    "scale": {"scale": -0.3},
    "soft cap": {"soft_cap": 0.4},
    "sinks": {"sinks": NORMAL(H)},
    "all": {
        **OF_ROWS,
        **IDS,
        "is_causal": True,
        "window": 4,
        "mask": RNG.random((B, H, 1, S)) < 0.8,
        "bias": NORMAL((B, H, T, S)),
        "alibi_slopes": NORMAL(H),
        "scale": 0.9,
        "soft_cap": 2.0,
        "sinks": NORMAL(H),
    },
}


def arrays(dtype: Any = jnp.float64, groups: int = H) -> list[jax.Array]:
    rng = np.random.default_rng(0)
    shapes = ((B, T, H, K), (B, S, groups, K), (B, S, groups, V))
    return [jnp.asarray(rng.standard_normal(shape), dtype) for shape in shapes]


QUICK = {"causal window", "positions of keys alone", "all"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else SLOW) for name in OPTIONS]
)
def test_values(name: str) -> None:
    with jax.enable_x64(True):
        y = dot_product_attention(*arrays(), **OPTIONS[name])
        np.testing.assert_allclose(y, by_hand(*arrays(), **OPTIONS[name]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("groups", [pytest.param(1, marks=SLOW), 2, pytest.param(3, marks=SLOW)])
def test_heads_in_groups(groups: int) -> None:
    with jax.enable_x64(True):
        for options in ({}, OPTIONS["all"]):
            y = dot_product_attention(*arrays(groups=groups), **options)
            expected = by_hand(*arrays(groups=groups), **options)
            np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@SLOW
def test_integers_of_any_width_are_positions() -> None:
    y = dot_product_attention(*arrays(jnp.float32), is_causal=True, **PLACES)
    for dtype in (np.int8, np.uint8):
        places = {name: (x % 128).astype(dtype) for name, x in PLACES.items()}
        places["key_positions"][1] = 127  # beyond all queries, where -1 is not to be had
        other = dot_product_attention(*arrays(jnp.float32), is_causal=True, **places)
        np.testing.assert_array_equal(y, other)


def test_what_is_dropped() -> None:
    query, key, _ = arrays(jnp.float32)
    value = jnp.broadcast_to(jnp.eye(S)[:, None], (B, S, H, S))  # so that weights come out
    whole = np.asarray(dot_product_attention(query, key, value, is_causal=True))
    options: Any = {"is_causal": True, "dropout_rate": 0.3}
    found = dot_product_attention(query, key, value, rng_key=jax.random.key(3), **options)
    again = dot_product_attention(query, key, value, rng_key=jax.random.key(3), **options)
    other = dot_product_attention(query, key, value, rng_key=jax.random.key(4), **options)
    np.testing.assert_array_equal(found, again)
    assert (np.asarray(found) != other).any()
    is_kept = np.asarray(found) != 0
    np.testing.assert_allclose(found, np.where(is_kept, whole / 0.7, 0), rtol=1e-6)
    assert 0.6 < is_kept[whole > 0].mean() < 0.8


@SLOW
def test_dropout_keeps_the_mean() -> None:
    inputs = arrays(jnp.float32)

    @jax.jit
    @jax.vmap
    def draw(rng_key: jax.Array) -> jax.Array:
        return dot_product_attention(*inputs, dropout_rate=0.4, rng_key=rng_key)

    draws = draw(jax.random.split(jax.random.key(0), 2000))
    off = draws.mean(0) - dot_product_attention(*inputs)
    assert jnp.abs(off).max() < 5 * (draws.std(0) / 2000**0.5).max()
    assert draws.std(0).min() > 0.01


BLIND: dict[str, dict[str, Any]] = {
    "bias": {"bias": np.where(np.arange(T)[:, None] == 1, -np.inf, NORMAL((T, S)))},
    "ids, sinks, soft cap": {
        "query_segment_ids": np.array([0, 3, 0, 0]),
        "key_segment_ids": np.array([0, 0, 1, 0, 0]),
        "sinks": NORMAL(H),
        "soft_cap": 3.0,
    },
    "a window, slopes, dropout": {
        "query_positions": np.array([0, 90, 1, 2]),
        "window": 5,
        "alibi_slopes": NORMAL(H),
        "dropout_rate": 0.2,
        "rng_key": np.array([0, 3], np.uint32),
    },
    "empty places": {
        "query_positions": np.array([2, -4, 1, 3]),
        "key_positions": np.array([-1, 0, 1, -1, -7]),
        "is_causal": True,
        "bias": np.where(np.arange(S) == 2, -np.inf, NORMAL((H, T, S)))[None],
        "sinks": np.where(np.arange(H) == 2, -np.inf, NORMAL(H)),
    },
}


BLIND_CASES = list(
    itertools.product(BLIND, ("quadratic", "chunked"), (jnp.float16, jnp.bfloat16, jnp.float32))
)
QUICK_BLIND = {("empty places", "quadratic", jnp.float16), ("empty places", "chunked", jnp.float16)}


@pytest.mark.parametrize(
    ("name", "implementation", "dtype"),
    [pytest.param(*c, marks=() if c in QUICK_BLIND else SLOW) for c in BLIND_CASES],
)
def test_a_query_that_sees_nothing_gives_zeros_and_zero_gradients(
    name: str, implementation: str, dtype: Any
) -> None:
    options: dict[str, Any] = {"implementation": implementation} | {
        n: jnp.asarray(x, dtype) if getattr(x, "dtype", None) == np.float64 else x
        for n, x in BLIND[name].items()
    }
    floating = {n: x for n, x in options.items() if n in ("bias", "alibi_slopes", "sinks")}

    @jax.jit
    def run(inputs: Any, floating: Any) -> Any:
        def attend(inputs: Any, floating: Any) -> Any:
            return dot_product_attention(*inputs, **options | floating)

        y, pull = jax.vjp(attend, inputs, floating)
        return y, *pull(jnp.ones_like(y)), *pull(jnp.zeros_like(y).at[:, 1].set(1))

    y, of_inputs, of_floating, of_inputs_alone, of_floating_alone = run(
        tuple(arrays(dtype)), floating
    )
    assert y.dtype == dtype
    assert not y[:, 1].any()
    assert y[:, 2].any()
    for x in jax.tree.leaves((of_inputs, of_floating)):
        assert jnp.isfinite(x).all()
        assert x.any()
    assert not of_inputs[0][:, 1].any()
    for x in jax.tree.leaves((of_inputs_alone, of_floating_alone)):
        assert not x.any()


def test_a_cache_with_its_heads_first_is_not_copied() -> None:
    cache = jax.ShapeDtypeStruct((B, 3, 1024, 8), jnp.float32)
    query = jax.ShapeDtypeStruct((B, 1, 9, 8), jnp.float32)
    places = jax.ShapeDtypeStruct((B, 1024), jnp.int32)

    def attend(query: Any, key: Any, value: Any, places: Any) -> jax.Array:
        key, value = jnp.swapaxes(key, 1, 2), jnp.swapaxes(value, 1, 2)
        return dot_product_attention(query, key, value, key_positions=places)

    def temporary(*arguments: Any) -> int:
        compiled = jax.jit(attend).lower(*arguments).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    scores = 4 * B * 9 * 1024
    assert temporary(query, cache, cache, places) < 3 * scores < 4 * B * 1024 * 3 * 8 * 2
