"""Attention with several heads: masks by hand, initial values, edges, errors."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called

B, T, S, H, K = 2, 3, 4, 2, 3


def random(*shape: int) -> np.ndarray:
    """Returns random numbers."""
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


QUERY, KEY, VALUE = random(B, T, H * K), random(B, S, H * K), random(B, S, H * K)


def layer() -> pax.MultiHeadAttention:
    """Returns a layer whose biases are not zero."""
    return pax.MultiHeadAttention(H, K, 1.0).map(lambda x: x + 0.1)


def in_numpy(attention: Any, query: Any, key: Any, value: Any, mask: Any) -> np.ndarray:
    """Computes the layer in float64, head by head; a place that sees nothing gives zeros."""

    def dense(part: str, x: Any) -> np.ndarray:
        fc = getattr(attention, f"{part}_projection")
        return np.asarray(x, np.float64) @ np.asarray(fc.weight, np.float64) + np.asarray(fc.bias)

    query, key, value = dense("query", query), dense("key", key), dense("value", value)
    heads = np.zeros_like(query)
    for b, h, t in np.ndindex(len(query), H, query.shape[1]):
        head = slice(h * K, (h + 1) * K)
        seen = np.flatnonzero(np.broadcast_to(mask, (len(query), H, *mask.shape[-2:]))[b, h, t])
        if len(seen):
            scores = key[b, seen, head] @ query[b, t, head] / np.sqrt(K)
            weights = np.exp(scores) / np.exp(scores).sum()
            heads[b, t, head] = weights @ value[b, seen, head]
    return dense("output", heads)


MASKS = {
    "[T, S]": np.tril(np.ones((T, S), bool), -1),  # the first place sees nothing
    "[B, 1, T, S]": random(B, 1, T, S) > 0.8,
    "[B, H, T, S]": random(B, H, T, S) > 0.8,
    "all": np.zeros((T, S), bool),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_masks_by_loops(mask: np.ndarray) -> None:
    attention = layer()
    expected = in_numpy(attention, QUERY, KEY, VALUE, mask)
    assert not mask.any(-1).all()  # somewhere nothing is seen
    y = called(attention, QUERY, KEY, VALUE, mask)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mask", [None, MASKS["[B, 1, T, S]"]], ids=["none", "[B, 1, T, S]"])
def test_causal(mask: np.ndarray | None) -> None:
    attention, past = layer(), np.tri(T, S, dtype=bool)
    found = jax.jit(functools.partial(attention, is_causal=True))(QUERY, KEY, VALUE, mask)
    both = past if mask is None else mask.astype(bool) & past
    np.testing.assert_allclose(
        found, in_numpy(attention, QUERY, KEY, VALUE, both), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.float32])
def test_masks_of_numbers(dtype: Any) -> None:
    attention, mask = layer(), MASKS["[B, 1, T, S]"]
    found = called(attention, QUERY, KEY, VALUE, mask.astype(dtype))
    np.testing.assert_array_equal(found, called(attention, QUERY, KEY, VALUE, mask))


@pytest.mark.parametrize(
    "dtype",
    [jnp.float16, *(pytest.param(t, marks=pytest.mark.slow) for t in (jnp.bfloat16, jnp.float32))],
)
def test_places_that_see_nothing_give_the_last_bias_and_no_gradient(dtype: Any) -> None:
    attention = layer().map(lambda x: x.astype(dtype))
    inputs = [jnp.asarray(x, dtype) for x in (QUERY, KEY, VALUE)]

    def total(attention: Any, inputs: Any) -> tuple[Any, Any]:
        y = attention(*inputs, np.zeros((T, S), bool))
        return y.sum(), y

    gradient = jax.jit(jax.grad(total, (0, 1), has_aux=True))
    (module, (query, key, value)), y = gradient(attention, inputs)
    bias = attention.output_projection.bias
    np.testing.assert_array_equal(y, jnp.broadcast_to(bias, y.shape))
    for x in (query, key, value, module.query_projection.weight, module.value_projection.bias):
        assert x.dtype == dtype
        np.testing.assert_array_equal(x, jnp.zeros_like(x))


def test_large_scores_in_half_precision() -> None:
    attention = layer().map(lambda x: x.astype(jnp.float16))
    x = jnp.asarray(100 * KEY, jnp.float16)  # products of some 1e5, beyond float16
    assert jnp.isfinite(called(attention, x, x, x, np.tril(np.ones((S, S), bool)))).all()


def test_places_that_are_masked_do_not_count() -> None:
    attention, mask = layer(), np.array([True, True, False, False])[None].repeat(T, 0)
    changed = KEY.copy(), VALUE.copy()
    for x in changed:
        x[:, 2:] = 7.0
    np.testing.assert_array_equal(
        called(attention, QUERY, KEY, VALUE, mask), called(attention, QUERY, *changed, mask)
    )


def test_without_batch_and_with_many_batch_axes() -> None:
    attention = layer()
    y = called(attention, QUERY, KEY, VALUE)
    alone = called(attention, QUERY[0], KEY[0], VALUE[0])
    np.testing.assert_allclose(alone, y[0], rtol=1e-5, atol=1e-6)
    several = called(attention, *(x[:, None, None] for x in (QUERY, KEY, VALUE)))
    np.testing.assert_allclose(several[:, 0, 0], y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        jax.jit(jax.vmap(attention))(QUERY, KEY, VALUE), y, rtol=1e-5, atol=1e-6
    )


def test_edge_shapes() -> None:
    attention = layer()
    assert called(attention, QUERY[:0], KEY[:0], VALUE[:0]).shape == (0, T, H * K)
    assert called(attention, QUERY[:, :0], KEY, VALUE).shape == (B, 0, H * K)
    # one place to see: its value, whatever the query
    y = called(attention, QUERY, KEY[:, :1], VALUE[:, :1])
    np.testing.assert_allclose(y, np.broadcast_to(y[:, :1], y.shape), rtol=1e-6)
    # none: the bias alone
    bias = np.broadcast_to(attention.output_projection.bias, (B, T, H * K))
    np.testing.assert_array_equal(called(attention, QUERY, KEY[:, :0], VALUE[:, :0]), bias)


def test_initial_values_come_from_the_key() -> None:
    key = jax.random.PRNGKey(3)
    attention = pax.MultiHeadAttention(H, K, 0.5, rng_key=key)
    init = pax.initializers.variance_scaling(0.5, "fan_in", "truncated_normal")
    for name, part in zip(
        ("query", "key", "value", "output"), jax.random.split(key, 4), strict=True
    ):
        fc = getattr(attention, f"{name}_projection")
        np.testing.assert_array_equal(fc.weight, init(part, (H * K, H * K)))
        np.testing.assert_array_equal(fc.bias, np.zeros(H * K))


def test_without_a_key_each_projection_takes_the_next_of_the_stream() -> None:
    pax.seed_rng_key(7)
    found = pax.MultiHeadAttention(H, K, 1.0)
    pax.seed_rng_key(7)
    init = pax.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
    for fc in found.submodules():
        np.testing.assert_array_equal(fc.weight, init(pax.next_rng_key(), (H * K, H * K)))


def test_printed_form() -> None:
    lines = pax.MultiHeadAttention(2, 3, 1.0, name="self").summary(return_list=True)
    assert lines == [
        "(self) MultiHeadAttention(num_heads=2, key_size=3)",
        *["├── Linear(in_dim=6, out_dim=6, with_bias=True)"] * 3,
        "└── Linear(in_dim=6, out_dim=6, with_bias=True)",
    ]


TEXT = "MultiHeadAttention(num_heads=2, key_size=3)"
MASK_FIX = "pass a mask of shape [T, S], or [B, 1 or H, T, S] with an axis for the heads."


def make() -> pax.Module:
    """Returns a layer."""
    return pax.MultiHeadAttention(H, K, 1.0)


def argument(name: str, value: Any, expected: str, fix: str) -> Bad:
    """Returns an argument that is refused."""
    arguments = {"num_heads": H, "key_size": K, "w_init_scale": 1.0} | {name: value}
    return Bad(
        lambda: pax.MultiHeadAttention(**arguments),
        pax.ArgumentError,
        f"MultiHeadAttention got {name}={value!r}; expected {expected}.",
        fix,
    )


def mask(value: np.ndarray, fix: str = MASK_FIX) -> Bad:
    """Returns a mask that is refused."""
    return Bad(
        make,
        pax.ShapeError,
        f"dot_product_attention got mask of shape {value.shape} for scores of shape "
        f"{(B, H, T, S)} [..., H, T, S].",
        fix,
        (QUERY, KEY, VALUE, value),
    )


def dtype(what: str, value: Any, found: str, fix: str) -> Bad:
    """Returns an input whose dtype is refused."""
    inputs = {"query": QUERY, "key": KEY, "value": VALUE} | {what: value}
    return Bad(make, pax.DtypeError, f"{TEXT} got {what} {found}.", fix, tuple(inputs.values()))


POSITIVE = "set w_init_scale to a positive number."
ARRAY = ("of type list; expected an array", "convert it first: jnp.asarray(x).")
FLOATING = ("of dtype int32; expected a floating dtype", "convert it first: x.astype(jnp.float32).")


@each(
    argument("num_heads", 0, "an integer of at least 1", "set num_heads to a positive integer."),
    argument("key_size", 2.0, "an integer of at least 1", "set key_size to a positive integer."),
    argument("w_init_scale", 0.0, "a positive number", POSITIVE),
    argument("w_init_scale", None, "a positive number", POSITIVE),
    dtype("query", [1.0], *ARRAY),
    dtype("key", KEY.astype(np.int32), *FLOATING),
    dtype("value", VALUE.astype(np.int32), *FLOATING),
    Bad(
        make,
        pax.ShapeError,
        f"{TEXT} got query of shape (2, 3, 4); expected (..., time, 6), the width being "
        "num_heads * key_size.",
        "choose num_heads and key_size so that their product is the width.",
        (QUERY[..., :4], KEY, VALUE),
    ),
    Bad(
        make,
        pax.ShapeError,
        f"{TEXT} got value of shape (6,); expected (..., time, 6), the width being "
        "num_heads * key_size.",
        "choose num_heads and key_size so that their product is the width.",
        (QUERY, KEY, VALUE[0, 0]),
    ),
    Bad(
        make,
        pax.ShapeError,
        f"{TEXT} got query (2, 3, 6), key (2, 4, 6), value (2, 3, 6); expected equal batch axes, "
        "and as many values as keys.",
        "pass the same sequence as key and value.",
        (QUERY, KEY, QUERY),
    ),
    Bad(
        make,
        pax.ShapeError,
        f"{TEXT} got query (1, 3, 6), key (2, 4, 6), value (2, 4, 6); expected equal batch axes, "
        "and as many values as keys.",
        "pass the same sequence as key and value.",
        (QUERY[:1], KEY, VALUE),
    ),
    mask(np.ones((B, T, S), bool), "add the head axis: mask[:, None]."),
    mask(np.ones((H, T, S), bool), "add the head axis: mask[:, None]."),
    mask(np.ones((S, T), bool)),
    mask(np.ones(S, bool)),
    mask(np.ones((B, H + 1, T, S), bool)),
    mask(np.ones((B, 1, 1, T, S), bool)),
    Bad(
        make,
        pax.DtypeError,
        "dot_product_attention got mask of type str; expected an array.",
        "pass an array, e.g. jnp.asarray(mask).",
        (QUERY, KEY, VALUE, "causal"),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
