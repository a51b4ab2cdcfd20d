"""Attention token by token: what a call over the whole sequence gives, at every position."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
import pax.functional as F
from tests.contracts.case import optimization

B, T, H, K, D = 3, 9, 4, 4, 6

POSITION: dict[str, Any] = {
    "none": lambda: None,
    "halves": lambda: pax.RotaryEmbed(K, theta=100.0),
    "pairs": lambda: pax.RotaryEmbed(K, theta=100.0, convention="pairs"),
    "partial": lambda: pax.RotaryEmbed(K, rotary_dim=2),
    "linear": lambda: pax.RotaryEmbed(K, scaling=F.LinearRotaryScaling(2.0)),
    "NTK": lambda: pax.RotaryEmbed(K, convention="pairs", scaling=F.NTKRotaryScaling(2.0)),
    "YaRN": lambda: pax.RotaryEmbed(K, scaling=F.YarnRotaryScaling(4.0, 16)),
    "Llama 3": lambda: pax.RotaryEmbed(K, scaling=F.Llama3RotaryScaling(4.0, 1.0, 4.0, 16)),
    "ALiBi": lambda: pax.Alibi(H),
    "T5": lambda: pax.RelativePositionBias(6, 7, H, False, w_init=jax.random.normal),
}
WINDOW = {"causal": None, "window": 3}
HEADS = {"H": H, "grouped": 2, "one": 1}
EXTRA: dict[str, dict[str, Any]] = {
    "plain": {},
    "sinks": {"with_sinks": True},
    "soft cap": {"soft_cap": 0.7},
    "norm": {"query_key_norm": True},
}
#: How many tokens each row gets in each call.
SPLITS = {
    "tokens": [[1] * B] * T,
    "prompt": [[5] * B, *[[1] * B] * 4],
    "chunks": [[4] * B, [1] * B, [4] * B],
    "ragged": [[5, 0, 2], [1, 4, 5], [1, 0, 1], [2, 5, 1]],
}
PRODUCT = list(itertools.product(POSITION, WINDOW, HEADS, EXTRA))
#: Every kind of position, mask, heads, option and split; the product runs with `make test-all`.
FEW = [
    ("none", "causal", "H", "soft cap", "ragged"),
    ("halves", "window", "grouped", "sinks", "ragged"),
    ("pairs", "causal", "one", "norm", "tokens"),
    ("ALiBi", "window", "grouped", "plain", "prompt"),
    ("T5", "window", "one", "sinks", "chunks"),
]


def layer(position: str, window: str, heads: str, extra: str) -> Any:
    """Returns a layer with random numbers in all of its arrays."""
    options = {"window": WINDOW[window], "num_kv_heads": HEADS[heads], **EXTRA[extra]}
    made = pax.MultiHeadAttention(
        H, K, 1.0, query_dim=D, value_size=3, position=POSITION[position](), **options
    )
    rng = np.random.default_rng(1)
    return made.eval().map(lambda x: jnp.asarray(rng.standard_normal(x.shape), x.dtype) * 0.7)


@jax.jit
def whole(attention: Any, x: Any) -> Any:
    """Calls the layer over the whole sequence."""
    return attention(x, x, x, is_causal=True)


@jax.jit
def step(attention: Any, x: Any, cache: Any, lengths: Any) -> Any:
    """Reads some tokens."""
    return attention.decode(x, cache, lengths=lengths)


def random(*shape: int) -> np.ndarray:
    """Returns random numbers."""
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def check(attention: Any, splits: list[str], with_lengths: bool) -> None:
    """Fails unless the steps give what one call gives."""
    x = random(B, T, D)
    expected = whole(attention, x)
    for split in splits:
        cache, read = attention.make_cache(B, T), np.zeros(B, int)
        found = np.full_like(expected, np.nan)
        for counts in SPLITS[split]:
            tokens = np.full((B, max(counts), D), np.nan, np.float32)  # where there is none
            for row, (start, n) in enumerate(zip(read, counts, strict=True)):
                tokens[row, :n] = x[row, start : start + n]
            y, cache = step(attention, tokens, cache, np.array(counts) if with_lengths else None)
            for row, (start, n) in enumerate(zip(read, counts, strict=True)):
                found[row, start : start + n] = y[row, :n]
            read += counts
        np.testing.assert_array_equal(cache.length, np.full(B, T))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("case", FEW, ids=", ".join)
def test_steps_equal_the_whole(case: tuple[str, ...]) -> None:
    *options, split = case
    with optimization(False):
        check(layer(*options), [split], with_lengths=split == "ragged")


@pytest.mark.slow
@pytest.mark.parametrize("case", PRODUCT, ids=", ".join)
def test_steps_equal_the_whole_in_the_product_of_options(case: tuple[str, ...]) -> None:
    with optimization(False):
        check(layer(*case), ["tokens", "prompt", "ragged"], with_lengths=True)
