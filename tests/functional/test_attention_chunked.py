"""Attention in chunks: equal to that through all scores, derivatives too, in linear memory."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from pax.functional import dot_product_attention

B, T, S, H, K, V = 2, 150, 131, 2, 4, 3  # 2 chunks of 75 queries, 2 of 66 keys, one too many
MASKS = {
    "none": None,
    "[T, S]": (T, S),
    "[B, 1, T, S]": (B, 1, T, S),
    "[1, H, T, 1]": (1, H, T, 1),
    "[B, 1, 1, S]": (B, 1, 1, S),
}
SLOW = pytest.mark.slow


def arrays(dtype: Any, *, t: int = T, s: int = S, b: int = B) -> list[jax.Array]:
    rng = np.random.default_rng(0)
    shapes = ((b, t, H, K), (b, s, H, K), (b, s, H, V))
    return [jnp.asarray(rng.standard_normal(shape), dtype) for shape in shapes]


def random_mask(shape: tuple[int, ...] | None) -> np.ndarray | None:
    """Returns a mask of which some rows are False throughout."""
    if shape is None:
        return None
    rng = np.random.default_rng(shape)
    rows = rng.random((*shape[:-1], 1)) < 0.8
    return (rng.random(shape) < 0.6) & rows


def attend(implementation: str, mask: Any = None, is_causal: bool = False) -> Callable[..., Any]:
    def run(*inputs: jax.Array) -> jax.Array:
        return dot_product_attention(
            *inputs, mask, is_causal=is_causal, implementation=implementation
        )

    return run


def value_and_pullback(function: Callable[..., Any]) -> Callable[..., Any]:
    @jax.jit
    def run(*inputs: jax.Array) -> Any:
        y, pull = jax.vjp(function, *inputs)
        return y, pull(jnp.cos(y))

    return run


def assert_equal(found: Any, expected: Any, tolerance: float) -> None:
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


QUICK = {("[B, 1, T, S]", True)}


@pytest.mark.parametrize(
    ("name", "is_causal"),
    [
        pytest.param(*case, marks=() if case in QUICK else SLOW)
        for case in itertools.product(MASKS, (False, True))
    ],
)
def test_values_and_gradients(name: str, is_causal: bool) -> None:
    mask = random_mask(MASKS[name])
    chunked, quadratic = (
        value_and_pullback(attend(name, mask, is_causal)) for name in ("chunked", "quadratic")
    )
    with jax.enable_x64(True):
        assert_equal(chunked(*arrays(jnp.float64)), quadratic(*arrays(jnp.float64)), 1e-10)


@SLOW
def test_values_and_gradients_in_float32() -> None:
    mask = random_mask((B, H, T, S))
    chunked, quadratic = (
        value_and_pullback(attend(name, mask, is_causal=True)) for name in ("chunked", "quadratic")
    )
    assert_equal(chunked(*arrays(jnp.float32)), quadratic(*arrays(jnp.float32)), 1e-5)


def test_causal_counts_from_the_start_of_both() -> None:
    for t, s in [(T, S), (S, T)]:
        inputs = arrays(jnp.float32, t=t, s=s)
        expected = jax.jit(attend("quadratic", np.tri(t, s, dtype=bool)))(*inputs)
        for name in ("chunked", "quadratic"):
            y = jax.jit(attend(name, is_causal=True))(*inputs)
            np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(y[:, 0], inputs[2][:, 0], rtol=1e-6)


@pytest.mark.parametrize(
    "dtype", [jnp.float16, *(pytest.param(t, marks=SLOW) for t in (jnp.bfloat16, jnp.float32))]
)
def test_a_query_that_sees_nothing_gives_zeros_and_zero_gradients(dtype: Any) -> None:
    mask = np.ones((B, 1, T, S), bool)
    mask[1, 0, 5] = False
    mask[0, :, :, 7] = False
    y, gradients = value_and_pullback(attend("chunked", mask))(*arrays(dtype))
    assert y.dtype == dtype
    assert not y[1, 5].any()
    assert y[0].all()
    assert not gradients[0][1, 5].any()
    assert gradients[0][1, 6].any()
    for gradient in gradients[1:]:
        assert not gradient[0, 7].any()
        assert gradient[0, 8].any()
    for gradient in gradients:
        assert jnp.isfinite(gradient).all()


@SLOW
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_as_exact_as_through_all_scores(dtype: Any) -> None:
    inputs = arrays(dtype)
    found, other = (
        jax.tree.leaves(value_and_pullback(attend(name))(*inputs))
        for name in ("chunked", "quadratic")
    )
    exact = jax.tree.leaves(
        value_and_pullback(attend("quadratic"))(*(x.astype(jnp.float32) for x in inputs))
    )
    for x, y, z in zip(found, other, exact, strict=True):
        assert x.dtype == dtype
        off, usual = (float(jnp.abs(a.astype(jnp.float32) - z).max()) for a in (x, y))
        assert off <= 1.5 * usual


def test_large_scores_do_not_overflow() -> None:
    query, key, value = arrays(jnp.float32)
    y, expected = (jax.jit(attend(i))(query * 1e6, key, value) for i in ("chunked", "quadratic"))
    assert jnp.isfinite(y).all()
    np.testing.assert_allclose(y, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("t", "s", "b"),
    [
        (0, S, B),
        (T, 0, B),
        (0, 0, B),
        (128, 129, 0),
        pytest.param(1, S, B, marks=SLOW),
        pytest.param(T, 1, B, marks=SLOW),
    ],
)
def test_edge_shapes(t: int, s: int, b: int) -> None:
    inputs = arrays(jnp.float32, t=t, s=s, b=b)
    mask = random_mask((b, 1, t, s))
    chunked, quadratic = (
        value_and_pullback(attend(name, mask, is_causal=True)) for name in ("chunked", "quadratic")
    )
    assert_equal(chunked(*inputs), quadratic(*inputs), 1e-5)


@SLOW
def test_any_leading_axes() -> None:
    query, key, value = arrays(jnp.float32)
    mask = random_mask((B, H, T, S))
    expected = attend("quadratic", mask)(query, key, value)
    deep = attend("chunked", mask[:, None])(query[:, None], key[:, None], value[:, None])
    np.testing.assert_allclose(deep[:, 0], expected, rtol=1e-5, atol=1e-6)
    alone = attend("chunked", mask[1])(query[1], key[1], value[1])
    np.testing.assert_allclose(alone, expected[1], rtol=1e-5, atol=1e-6)


@SLOW
def test_tangents_and_second_derivatives() -> None:
    mask = random_mask((B, 1, T, S))

    def derivatives(name: str) -> Callable[..., Any]:
        function = attend(name, mask, is_causal=True)

        def slope(*inputs: jax.Array) -> jax.Array:
            gradients = jax.grad(lambda *a: jnp.sin(function(*a)).sum(), (0, 1, 2))(*inputs)
            return sum((jnp.sum(x**2) for x in gradients), jnp.zeros(()))

        def run(*inputs: jax.Array) -> Any:
            tangents = tuple(jnp.cos(x) for x in inputs)
            return (
                jax.jvp(function, inputs, tangents),
                jax.jvp(slope, inputs, tangents),  # forward over backward
                jax.grad(slope, (0, 1, 2))(*inputs),  # backward over backward
            )

        return jax.jit(run)

    with jax.enable_x64(True):
        inputs = arrays(jnp.float64)
        assert_equal(derivatives("chunked")(*inputs), derivatives("quadratic")(*inputs), 1e-10)


@SLOW
def test_under_scan_vmap_remat_and_shard_map() -> None:
    inputs = (random_mask((8, 1, T, S)), *arrays(jnp.float32, b=8))

    def of_some(name: str, mask: Any, *inputs: jax.Array) -> Any:
        y, pull = jax.vjp(jax.checkpoint(attend(name, mask)), *inputs)
        return y, pull(jnp.cos(y))

    chunked = functools.partial(of_some, "chunked")
    mesh, parted = Mesh(np.array(jax.devices()), ("data",)), PartitionSpec("data")

    @jax.jit
    def run(*inputs: jax.Array) -> Any:
        scanned = jax.lax.scan(lambda _, x: (None, jax.vmap(chunked)(*x)), None, halves(inputs))[1]
        of_each = jax.shard_map(chunked, mesh=mesh, in_specs=parted, out_specs=parted)
        return scanned, of_each(*inputs), of_some("quadratic", *inputs)

    def halves(inputs: Any) -> Any:
        return jax.tree.map(lambda x: x.reshape(2, 4, *x.shape[1:]), inputs)

    scanned, of_each, expected = run(*inputs)
    assert_equal(scanned, halves(expected), 1e-5)
    assert_equal(of_each, expected, 1e-5)


def compiled(length: int, implementation: str | None, *mask: jax.ShapeDtypeStruct) -> Any:
    """Compiles forward and backward of a causal attention; nothing of that size is made."""
    x = jax.ShapeDtypeStruct((1, length, H, K), jnp.float32)

    def run(query: Any, key: Any, value: Any, *mask: Any) -> Any:
        function = attend(implementation, *mask, is_causal=True)
        y, pull = jax.vjp(function, query, key, value)
        return y, pull(y)

    return jax.jit(run).lower(x, x, x, *mask).compile()


def largest_array(text: str) -> int:
    """Returns the number of elements of the largest array in the text of a program."""
    shapes = re.findall(r"\w\[([\d,]+)\]", text)
    return max(int(np.prod([int(n) for n in shape.split(",")], dtype=object)) for shape in shapes)


def test_memory_is_linear_in_the_length() -> None:
    once, twice = (
        compiled(*case).memory_analysis().temp_size_in_bytes
        for case in ((8192, "chunked"), (16384, None))
    )
    assert once < twice <= 2 * once
    assert twice <= 12 * 4 * 16384 * H * K + 2**20  # a dozen arrays like the query, and tiles


def test_no_array_holds_all_scores_or_a_mask_of_their_size() -> None:
    padding = jax.ShapeDtypeStruct((1, 1, 1, 1024), jnp.bool_)
    assert largest_array(compiled(1024, "chunked", padding).as_text()) < 1024 * 1024 // 8
    assert largest_array(compiled(1024, "quadratic").as_text()) == H * 1024 * 1024
