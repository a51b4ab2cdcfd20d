"""Attention in chunks under every option: equal to that through all scores, derivatives too."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from pax.functional import dot_product_attention
from pax.functional.attention_tiles import Tiling

B, T, S, H, G, K, V = 2, 150, 131, 4, 2, 3, 2  # 2 chunks of 75 queries, 2 of 66 keys
RNG = np.random.default_rng(3)
NORMAL = RNG.standard_normal
SLOW = pytest.mark.slow
FLOATING = ("bias", "alibi_slopes", "sinks")
PLACES = {
    "query_positions": np.sort(RNG.integers(0, 150, (B, T))),
    "key_positions": RNG.permutation(np.arange(-9, S - 9)),
}
IDS = {
    "query_segment_ids": np.sort(RNG.integers(0, 4, (B, T))),
    "key_segment_ids": np.sort(RNG.integers(0, 4, (B, S))),
}
DROPOUT = {"dropout_rate": 0.3, "rng_key": np.array([1, 2], np.uint32)}
OPTIONS: dict[str, dict[str, Any]] = {
    "heads in groups": {},
    "window": {"window": 9},
    "causal window": {"is_causal": True, "window": 40},
    "window, positions": PLACES | {"window": 30},
    "causal, positions": PLACES | {"is_causal": True},
    "segment ids": IDS,
    "bias [T, S]": {"bias": NORMAL((T, S))},
    "bias [1, H, T, S]": {"bias": NORMAL((1, H, T, S))},
    "bias [B, 1, 1, S]": {"bias": NORMAL((B, 1, 1, S))},
    "bias [1, H, T, 1]": {"bias": NORMAL((1, H, T, 1))},
    "slopes": {"alibi_slopes": RNG.random(H)},
    "slopes, positions": PLACES | {"alibi_slopes": RNG.random(H)},
    "scale": {"scale": -0.3},
    "soft cap": {"soft_cap": 0.4},
    "sinks": {"sinks": NORMAL(H)},
    "dropout": DROPOUT,
    "all": {
        **PLACES,
        **IDS,
        **DROPOUT,
        "is_causal": True,
        "window": 50,
        "mask": RNG.random((B, H, 1, S)) < 0.8,
        "bias": NORMAL((B, H, T, S)),
        "alibi_slopes": RNG.random(H),
        "scale": 0.9,
        "soft_cap": 2.0,
        "sinks": NORMAL(H),
    },
}


def arrays(dtype: Any) -> tuple[jax.Array, ...]:
    rng = np.random.default_rng(0)
    shapes = ((B, T, H, K), (B, S, G, K), (B, S, G, V))
    return tuple(jnp.asarray(rng.standard_normal(shape), dtype) for shape in shapes)


def attention(implementation: str, name: str, dtype: Any) -> tuple[Callable[..., Any], Any]:
    """Returns a function of all that it can be differentiated by, and these arrays."""
    options = OPTIONS[name]
    floating = {n: jnp.asarray(x, dtype) for n, x in options.items() if n in FLOATING}

    def attend(inputs: Any, floating: Any) -> jax.Array:
        return dot_product_attention(*inputs, **options | floating, implementation=implementation)

    return attend, (arrays(dtype), floating)


def value_and_gradients(implementation: str, name: str, dtype: Any) -> Any:
    attend, primals = attention(implementation, name, dtype)

    @jax.jit
    def run(*primals: Any) -> Any:
        y, pull = jax.vjp(attend, *primals)
        return y, pull(jnp.cos(y))

    return run(*primals)


def assert_equal(found: Any, expected: Any, tolerance: float) -> None:
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "all" else SLOW) for name in OPTIONS]
)
def test_values_and_gradients(name: str) -> None:
    with jax.enable_x64(True):
        found, expected = (
            value_and_gradients(i, name, jnp.float64) for i in ("chunked", "quadratic")
        )
        assert_equal(found, expected, 1e-10)


@SLOW
@pytest.mark.parametrize("name", OPTIONS)
def test_values_and_gradients_in_float32(name: str) -> None:
    found, expected = (value_and_gradients(i, name, jnp.float32) for i in ("chunked", "quadratic"))
    assert_equal(found, expected, 1e-5)


@SLOW
@pytest.mark.parametrize("name", ["all", "causal window"])
def test_tangents_and_second_derivatives(name: str) -> None:
    def derivatives(implementation: str) -> Any:
        attend, primals = attention(implementation, name, jnp.float64)

        def slope(*primals: Any) -> jax.Array:
            gradients = jax.grad(lambda *a: jnp.sin(attend(*a)).sum(), (0, 1))(*primals)
            return sum((jnp.sum(x**2) for x in jax.tree.leaves(gradients)), jnp.zeros(()))

        @jax.jit
        def run(*primals: Any) -> Any:
            tangents = jax.tree.map(jnp.cos, primals)
            return (
                jax.jvp(attend, primals, tangents),
                jax.jvp(slope, primals, tangents),  # forward over backward
                jax.grad(slope, (0, 1))(*primals),  # backward over backward
            )

        return run(*primals)

    with jax.enable_x64(True):
        assert_equal(derivatives("chunked"), derivatives("quadratic"), 1e-10)


def batched(implementation: str) -> Callable[..., Any]:
    """Returns value and gradients where each row of a batch has options of its own."""

    def run(inputs: Any, of_rows: Any, alibi_slopes: Any, rng_key: Any) -> Any:
        def attend(inputs: Any, bias: Any, alibi_slopes: Any) -> jax.Array:
            options = of_rows | {"bias": bias, "alibi_slopes": alibi_slopes}
            return dot_product_attention(
                *inputs,
                **options,
                is_causal=True,
                dropout_rate=0.2,
                rng_key=rng_key,
                implementation=implementation,
            )

        y, pull = jax.vjp(jax.checkpoint(attend), inputs, of_rows["bias"], alibi_slopes)
        return y, pull(jnp.cos(y))

    return run


@SLOW
@pytest.mark.parametrize("typed", [False, True])
def test_under_scan_vmap_remat_and_shard_map(typed: bool) -> None:
    inputs = tuple(
        jnp.tile(x, (4, 1, 1, 1)) * jnp.ones(8).cumsum()[:, None, None, None] / 8
        for x in arrays(jnp.float32)
    )
    rng = np.random.default_rng(5)
    of_rows = {
        "query_positions": jnp.asarray(np.sort(rng.integers(0, 150, (8, T)))),
        "key_positions": jnp.asarray(rng.integers(-3, 150, (8, S))),
        "bias": jnp.asarray(rng.standard_normal((8, 1, 1, S)), jnp.float32),
    }
    slopes = jnp.asarray(rng.random(H), jnp.float32)
    rng_keys = jax.random.split(jax.random.key(0), 8)
    rng_keys = rng_keys if typed else jax.random.key_data(rng_keys)
    of_one = (0, 0, None, 0)
    mesh, parted = Mesh(np.array(jax.devices()), ("data",)), PartitionSpec("data")

    def in_shards(inputs: Any, of_rows: Any, rng_keys: Any) -> Any:
        # one row on each device, and so one key
        return batched("chunked")(inputs, of_rows, slopes, rng_keys[0])

    @jax.jit
    def run(inputs: Any, of_rows: Any, rng_keys: Any) -> Any:
        rows = jax.tree.map(lambda x: x[:, None], (inputs, of_rows))
        mapped = jax.vmap(batched("chunked"), of_one)(*rows, slopes, rng_keys)
        expected = jax.vmap(batched("quadratic"), of_one)(*rows, slopes, rng_keys)

        def step(_: None, x: Any) -> Any:
            return None, batched("chunked")(*x[0], slopes, x[1])

        scanned = jax.lax.scan(step, None, (rows, rng_keys))[1]
        y, (of_inputs, of_bias, _) = jax.shard_map(
            in_shards,
            mesh=mesh,
            in_specs=parted,
            out_specs=(parted, (parted, parted, PartitionSpec())),
        )(inputs, of_rows, rng_keys)
        return mapped, scanned, (y, (of_inputs, of_bias)), expected

    mapped, scanned, sharded, expected = run(inputs, of_rows, rng_keys)
    assert_equal(mapped, expected, 1e-5)
    assert_equal(scanned, expected, 1e-5)
    flat = jax.tree.map(lambda x: x[:, 0], (expected[0], expected[1][:2]))
    assert_equal(sharded, flat, 1e-5)


def compiled(length: int, names: tuple[str, ...], dtype: Any, **options: Any) -> Any:
    """Compiles value and gradients in chunks; nothing of that size is made."""
    shapes = {
        "bias": (1, 1, length, length),
        "alibi_slopes": (H,),
        "sinks": (H,),
    }
    floating = {n: jax.ShapeDtypeStruct(shapes[n], dtype) for n in names}
    query, key = (jax.ShapeDtypeStruct((1, length, h, K), dtype) for h in (H, G))

    def run(inputs: Any, floating: Any) -> Any:
        def attend(inputs: Any, floating: Any) -> jax.Array:
            return dot_product_attention(*inputs, **floating, **options, implementation="chunked")

        y, pull = jax.vjp(attend, inputs, floating)
        return y, pull(y)

    return jax.jit(run).lower((query, key, key), floating).compile()


@pytest.mark.parametrize(
    ("names", "dtype"),
    [
        (("bias", "alibi_slopes", "sinks"), jnp.float32),
        pytest.param(("bias",), jnp.float16, marks=SLOW),
        pytest.param((), jnp.float32, marks=SLOW),
    ],
)
def test_no_array_of_the_size_of_the_scores_is_made(names: tuple[str, ...], dtype: Any) -> None:
    ids = jnp.arange(2048) // 100
    options: Any = {"query_segment_ids": ids, "key_segment_ids": ids, "soft_cap": 9.0} | DROPOUT
    taken = compiled(2048, names, dtype, **options).memory_analysis().temp_size_in_bytes
    assert taken < 2048 * 2048  # one byte for each score of one head


def test_a_window_costs_its_width() -> None:
    for is_causal in (False, True):
        for length in (1024, 16384):
            rows, columns = Tiling(length, length).tiles(is_causal, 256)
            assert len(rows) <= (3 if is_causal else 5) * length // 128
            # every pair that may be seen lies in a tile
            tiles = set(zip(rows.tolist(), columns.tolist(), strict=True))
            for t in range(0, length, 61):
                for s in range(max(0, t - 255), t + 1 if is_causal else min(length, t + 256)):
                    assert (t // 128, s // 128) in tiles
    program = compiled(2048, (), jnp.float32, is_causal=True, window=256).as_text()
    trips = {int(n) for n in re.findall(r'"known_trip_count":\{"n":"(\d+)"', program)}
    assert trips == {len(Tiling(2048, 2048).tiles(True, 256)[0])}


def test_heads_that_share_a_key_have_no_copies_of_it() -> None:
    query = jax.ShapeDtypeStruct((1, 300, 32, K), jnp.float32)
    key = jax.ShapeDtypeStruct((1, 20_000, 1, K), jnp.float32)
    for implementation in ("chunked", "quadratic"):
        attend = functools.partial(dot_product_attention, implementation=implementation)
        text = jax.jit(attend).lower(query, key, key).as_text()
        sizes = [
            np.prod([int(n) for n in s.split("x")[:-1]])
            for s in re.findall(r"tensor<([\dx]+x)f32>", text)
        ]
        scores = 300 * 20_000 * 32
        repeated = 20_000 * 32 * K
        assert repeated not in [*sizes]
        assert (scores in sizes) == (implementation == "quadratic")
