"""Attention in chunks under every option: equal to that through all scores, derivatives too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax.functional import dot_product_attention

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
