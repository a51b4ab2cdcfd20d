"""Transformer blocks and stacks of them: decoding, state, programs and errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

B, T, S, D = 2, 6, 4, 8
SLOW = pytest.mark.slow
SOURCE_HELD = np.array([[1, 1, 1, 1], [0, 1, 1, 0]], bool)


def normal(*shape: int, seed: int = 0) -> Any:
    return jax.random.normal(jax.random.key(seed), shape)


def block(**options: Any) -> Any:
    """Builds a causal block."""
    options = {"is_causal": True} | options
    attention = pax.MultiHeadAttention(2, 4, 1.0)
    return pax.TransformerBlock(attention, pax.MLP((D, 12, D)), **options)


def expert() -> pax.Module:
    return pax.MLP((D, 5, D))


def sparse_block() -> pax.TransformerBlock:
    """Builds a block with a mixture of experts and a window of three."""
    attention = pax.MultiHeadAttention(2, 4, 1.0, num_kv_heads=1, window=3)
    experts = pax.MixtureOfExperts(D, 4, expert)
    return pax.TransformerBlock(attention, experts, pax.RMSNorm, is_causal=True)


def decoded(net: Any, x: Any, cache: Any) -> Any:
    """Returns what decoding gives: 2 and 4 tokens of the two rows at first, then one each time."""
    lengths = np.array([2, 4], np.int32)
    step = jax.jit(lambda net, x, cache, lengths: net.decode(x, cache, lengths=lengths))
    y, cache = step(net, x[:, :4], cache, lengths)
    outputs = [[*row[:n]] for row, n in zip(y, lengths, strict=True)]
    for i in range(T):
        new = np.array([n + i < T for n in lengths], np.int32)
        at = np.minimum(lengths + i, T - 1)
        y, cache = step(net, x[np.arange(B), at][:, None], cache, new)
        for row, output, is_new in zip(outputs, y, new, strict=True):
            row += [output[0]] * int(is_new)
    return np.array(outputs)


@SLOW
@pytest.mark.parametrize(("norm_first", "crosses"), [(True, True), (True, False), (False, True)])
def test_decoding_equals_the_forward_pass(norm_first: bool, crosses: bool) -> None:
    """Rows of unequal lengths, in pieces of any size."""
    source_dim = 5 if crosses else None
    net = pax.TransformerDecoder(D, 2, 3, norm_first=norm_first, source_dim=source_dim).eval()
    x, source = normal(B, T, D), normal(B, S, 5, seed=1)
    seen = {"source": source, "source_mask": SOURCE_HELD} if crosses else {}
    cache = net.make_cache(B, T, **seen)
    np.testing.assert_allclose(decoded(net, x, cache), net(x, **seen), rtol=1e-5, atol=1e-5)
    assert {leaf.shape[:2] for leaf in jax.tree.leaves(cache)} == {(B, 3)}


@SLOW
@pytest.mark.parametrize("make_block", [block, sparse_block])
def test_a_stack_a_list_and_a_call_in_python_decode_alike(make_block: Any) -> None:
    net = pax.Stack(make_block, 3).eval()
    x = normal(B, T, D)
    expected = net(x)
    np.testing.assert_allclose(
        decoded(net, x, net.make_cache(B, T)), expected, rtol=1e-5, atol=1e-5
    )
    y, cache = net.decode(x, net.make_cache(B, T))  # not traced
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    for i, layer in enumerate(net.unstack()):
        x, of_layer = layer.decode(x, layer.make_cache(B, T))
        for one, all_layers in zip(jax.tree.leaves(of_layer), jax.tree.leaves(cache), strict=True):
            np.testing.assert_allclose(one, all_layers[:, i], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-5)


@SLOW
def test_decoding_is_one_program_that_writes_into_its_cache() -> None:
    def lowered(num_layers: int) -> Any:
        net = pax.Stack(block, num_layers).eval()
        cache = net.make_cache(B, 32)
        step = jax.jit(lambda net, x, cache: net.decode(x, cache), donate_argnums=2)
        return step.lower(net, normal(B, 1, D), cache), cache

    (few, _), (many, cache) = lowered(2), lowered(7)
    assert len(few.as_text().splitlines()) == len(many.as_text().splitlines())
    aliased = many.compile().memory_analysis().alias_size_in_bytes
    assert aliased == sum(leaf.nbytes for leaf in jax.tree.leaves(cache))


@SLOW
@pytest.mark.parametrize("norm_first", [True, False])
def test_a_block_by_its_parts(norm_first: bool) -> None:
    x, source = normal(B, T, D), normal(B, S, D, seed=1)
    net = block(cross_attention=pax.MultiHeadAttention(2, 4, 1.0), norm_first=norm_first)
    expected = x
    for part, norm in (
        (lambda y: net.attention(y, y, y, is_causal=True), net.attention_norm),
        (lambda y: net.cross_attention(y, source, source), net.cross_attention_norm),
        (net.feed_forward, net.feed_forward_norm),
    ):
        if norm_first:
            expected = expected + part(norm(expected))
        else:
            expected = norm(expected + part(expected))
    np.testing.assert_allclose(net(x, source), expected, rtol=1e-5, atol=1e-5)


@SLOW
def test_a_block_sees_what_its_attention_may_see() -> None:
    x = normal(B, T, D)
    changed = x.at[:, -1, 0].add(1.0)
    net = block()
    np.testing.assert_array_equal(net(x)[:, :-1], net(changed)[:, :-1])
    everywhere = block(is_causal=False)
    assert np.abs(everywhere(x) - everywhere(changed))[:, 0].max() > 1e-4
    hidden = np.arange(T) < T - 1
    y, z = (everywhere(each, mask=hidden[None, None, None].repeat(B, 0)) for each in (x, changed))
    np.testing.assert_array_equal(y[:, :-1], z[:, :-1])
    segments = np.array([[0, 0, 0, 1, 1, 1]] * B)
    y, z = (everywhere(each, segment_ids=segments) for each in (x, changed))
    np.testing.assert_array_equal(y[:, :3], z[:, :3])


def test_dropout_drops_what_the_parts_add() -> None:
    net, x = block(dropout_rate=0.5), normal(B, T, D)
    new, y = pax.purecall(net, x)
    again, z = pax.purecall(new, x)
    assert np.abs(y - z).max() > 0.01
    assert (new.dropout.rng_key != net.dropout.rng_key).any()
    assert block().dropout is None
    np.testing.assert_array_equal(net.eval()(x), again.eval()(x))


@SLOW
def test_no_places_and_no_rows() -> None:
    net = pax.TransformerEncoder(D, 2, 2)
    assert net(jnp.ones((0, 3, D))).shape == (0, 3, D)
    assert net(jnp.ones((2, 0, D))).shape == (2, 0, D)
    assert net(jnp.ones((3, D))).shape == (3, D)


X = np.ones((2, 3, D), np.float32)
SHOWN = "TransformerBlock(norm_first=True, dropout_rate=0.0, is_causal=True)"


@each(
    Bad(
        lambda: block(norm=pax.RMSNorm(D)),
        pax.ArgumentError,
        "TransformerBlock got norm=RMSNorm(num_channels=8, axis=-1, create_scale=True); expected a "
        "function that builds the norm of a width.",
        "write norm=pax.RMSNorm, or norm=lambda dim: pax.LayerNorm(dim, -1, True, True, 1e-6).",
    ),
    Bad(
        lambda: pax.TransformerBlock(pax.Linear(3, 3), pax.Linear(3, 3)),  # type: ignore[arg-type]
        pax.ArgumentError,
        "TransformerBlock got attention of type Linear; expected MultiHeadAttention.",
        "build it first: pax.MultiHeadAttention(8, 64, 1.0).",
    ),
    Bad(
        lambda: pax.TransformerBlock(
            pax.MultiHeadAttention(2, 4, 1.0, out_dim=6), pax.Linear(6, 6)
        ),
        pax.ArgumentError,
        "TransformerBlock got attention from width 8 to 6; expected one width, since the output is "
        "added to the input.",
        "build it without out_dim.",
    ),
    Bad(
        lambda: block(cross_attention=pax.MultiHeadAttention(2, 5, 1.0)),
        pax.ArgumentError,
        "TransformerBlock got attention of width 8 and cross_attention of width 10; expected one "
        "width.",
        "build the second with query_dim=8, and key_dim the width of the source.",
    ),
    Bad(
        lambda: pax.TransformerEncoder(8, 3, 2),
        pax.ArgumentError,
        "TransformerEncoder got dim=8 and num_heads=3, which does not divide it.",
        "choose a number of heads that divides dim.",
    ),
    Bad(
        block,
        pax.ArgumentError,
        f"{SHOWN} got a source, and has no cross_attention.",
        "build it with cross_attention=pax.MultiHeadAttention(...), or pass the mask of x by name: "
        "block(x, mask=mask).",
        (X, X),
    ),
    Bad(
        lambda: block(cross_attention=pax.MultiHeadAttention(2, 4, 1.0)),
        pax.ArgumentError,
        f"{SHOWN} has cross_attention, and got no source.",
        "call it as block(x, source); decoding takes it in make_cache(..., source=source).",
        (X,),
    ),
    Bad(
        lambda: block(cross_attention=pax.MultiHeadAttention(2, 4, 1.0)),
        pax.ShapeError,
        f"{SHOWN} got source_mask of shape (3,) for a source of shape (2, 3, 8); expected (2, 3).",
        "say for each place of the source whether it may be seen.",
        (X, X, None, np.array([True, True, False])),
    ),
    Bad(
        lambda: block(is_causal=False).make_cache(2, 3),
        pax.ArgumentError,
        "TransformerBlock(norm_first=True, dropout_rate=0.0, is_causal=False) cannot decode, since "
        "places see later ones.",
        "build it with is_causal=True.",
    ),
    Bad(
        lambda: block(cross_attention=pax.MultiHeadAttention(2, 4, 1.0)).make_cache(3, 3, source=X),
        pax.ShapeError,
        f"{SHOWN} got batch_size=3 and a source of 2 rows; expected one for each row.",
        "repeat the source, or choose its batch size.",
    ),
    Bad(
        lambda: block().decode(X, pax.MultiHeadAttention(2, 4, 1.0).make_cache(B, 3)),
        pax.CallError,
        f"{SHOWN} got a cache of type KeyValueCache; expected a pair, that of the attention and "
        "that of the source.\n  at: model",
        "pass what make_cache of this block returned.",
    ),
    Bad(
        lambda: block(cross_attention=pax.MultiHeadAttention(2, 4, 1.0)).decode(
            X, block().make_cache(B, 3)
        ),
        pax.CallError,
        f"{SHOWN} has cross_attention, and got a cache with none for it.\n  at: model",
        "pass what make_cache of this block returned.",
    ),
    Bad(
        lambda: block().decode(X, (block().make_cache(B, 3)[0],) * 2),
        pax.CallError,
        f"{SHOWN} has no cross_attention, and got a cache with one for it.\n  at: model",
        "pass what make_cache of this block returned.",
    ),
    Bad(
        lambda: pax.Sequential(block(), block()).decode(X, (block().make_cache(B, 3),)),
        pax.CallError,
        "Sequential got a cache of type tuple of 1; expected a tuple of 2, one cache for each "
        "layer.\n  at: model",
        "pass what make_cache of this Sequential returned.",
    ),
    Bad(
        lambda: pax.Sequential(block()).decode(X, None),
        pax.CallError,
        "Sequential got a cache of type NoneType; expected a tuple of 1, one cache for each layer."
        "\n  at: model",
        "pass what make_cache of this Sequential returned.",
    ),
    Bad(
        lambda: pax.Stack(block, 3).decode(X, pax.Stack(block, 2).make_cache(B, 4)),
        pax.ShapeError,
        "Stack(num_layers=3) got a cache with an array of shape (2, 2, 2, 4, 4); expected "
        "(batch, 3, ...).\n  at: model",
        "pass what make_cache of this stack returned.",
    ),
)
def test_errors(bad: Bad, unchecked: None) -> None:
    bad.check()


def test_a_full_cache_names_the_layer() -> None:
    net = pax.TransformerDecoder(D, 2, 2)
    with pytest.raises(pax.ArgumentError) as raised:
        net.decode(normal(B, 4, D), net.make_cache(B, 3))
    assert str(raised.value) == (
        "MultiHeadAttention(num_heads=2, key_size=4) got 4 tokens for row 0 of a cache that holds "
        "0 of at most 3.\n  at: model.blocks.0.attention\n"
        "  fix: make a longer cache: make_cache(batch_size, max_length=4)."
    )
