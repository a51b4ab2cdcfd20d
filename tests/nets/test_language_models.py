"""GPT-2 and Llama: sizes, decoding against the whole call, and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

V, T = 11, 9
SIZES: dict[str, Any] = {"dim": 8, "num_heads": 4, "num_layers": 2}
TOKENS = jnp.asarray(np.random.default_rng(0).integers(V, size=(3, T)), jnp.int32)
SHOWN = "GPT2(vocab_size=11, dim=8, num_heads=4, num_layers=2)"


def gpt2(**options: Any) -> Any:
    return pax.nets.GPT2(V, max_length=T, **SIZES | options).eval()


def llama(**options: Any) -> Any:
    return pax.nets.Llama(V, hidden_dim=12, **SIZES | options).eval()


def in_a_list(make: Callable[[], Any]) -> Any:
    net = make()
    return net.replace(blocks=pax.Sequential(*net.blocks.unstack()))


NETS: dict[str, Callable[[], Any]] = {
    "llama": lambda: llama(num_kv_heads=2),
    "llama, window": lambda: llama(num_kv_heads=1, window=3, tied=True),
    "llama, scaling": lambda: llama(rotary_scaling=pax.functional.NTKRotaryScaling(4.0)),
    "llama, list": lambda: in_a_list(llama),
    "gpt2": gpt2,
    "gpt2, list": lambda: in_a_list(gpt2),
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in list(NETS)[1:]]


@pytest.mark.parametrize("name", ["llama", *SLOW])
def test_decoding_is_the_whole_call(name: str) -> None:
    """Prompts of different lengths, then a part with rows that get less, then one by one."""
    net = large(NETS[name]())
    expected = jax.jit(net.__call__)(TOKENS)
    decode = jax.jit(net.decode)
    cache = net.make_cache(3, T)
    assert {x.shape[0] for x in jax.tree.leaves(cache)} == {3}
    read = np.zeros(3, int)
    for counts in ([4, 1, 3], [0, 4, 2], *[[1, 1, 1]] * 4):
        width = max(counts)
        places = np.minimum(read[:, None] + np.arange(width), T - 1)
        tokens = jnp.take_along_axis(TOKENS, places, axis=1)
        found, cache = decode(tokens, cache, lengths=jnp.array(counts, jnp.int32))
        for row, count in enumerate(counts):
            whole = expected[row, read[row] : read[row] + count]
            np.testing.assert_allclose(found[row, :count], whole, rtol=1e-5, atol=1e-5)
        read += counts
    assert read.tolist() == [8, 9, 9]
    assert float(expected.std()) > 0.1


def large(net: Any) -> Any:
    """Returns the network with weights so large that places differ."""
    return net.update_parameters(
        jax.tree.map(lambda x: 20 * x if x.ndim > 1 else x, net.parameters())
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama, window", "gpt2, list"])
def test_generation(name: str) -> None:
    net = large(NETS[name]())
    prompt, lengths = TOKENS[:, :4], jnp.array([4, 2, 1])
    out = pax.generation.generate(net, prompt, max_new_tokens=5, lengths=lengths)
    for row, length in enumerate(lengths):
        tokens = prompt[row : row + 1, :length]
        for _ in range(5):
            tokens = jnp.concatenate([tokens, net(tokens)[:, -1:].argmax(-1)], axis=1)
        np.testing.assert_array_equal(out.tokens[row], tokens[0, length:])
    draft = large(NETS["llama"]())
    more = pax.generation.speculative(net, draft, prompt, max_new_tokens=5, lengths=lengths)
    np.testing.assert_array_equal(more.tokens, out.tokens)
    beams = pax.generation.beam_search(net, prompt, max_new_tokens=5, num_beams=2, lengths=lengths)
    log_probs = out.log_probs.sum(axis=1)
    assert (beams.log_probs[:, 0] >= log_probs - 1e-4).all()


@pytest.mark.slow
def test_a_full_cache_shows() -> None:
    net = gpt2()
    run = jax.jit(
        lambda cache: pax.generation.generate(net, TOKENS[:, :4], max_new_tokens=6, cache=cache)
    )
    out = run(net.make_cache(3, max_length=7))
    np.testing.assert_array_equal(out.lengths, 4)  # the last of them never goes into the cache
    assert jnp.isnan(out.log_probs[:, 4]).all()


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: pax.nets.GPT2(50_257, dropout_rate=0.0, rng_key=jax.random.key(0)), 124_439_808),
        (
            lambda: pax.nets.Llama(
                49_152,
                dim=576,
                num_heads=9,
                num_layers=30,
                hidden_dim=1536,
                num_kv_heads=3,
                tied=True,
                rng_key=jax.random.key(0),
            ),
            134_515_008,
        ),
        (lambda: pax.nets.T5(32_128, dropout_rate=0.0, rng_key=jax.random.key(0)), 60_506_624),
        (lambda: pax.nets.Mamba(50_280, 768, 24, rng_key=jax.random.key(0)), 129_135_360),
    ],
    ids=["GPT-2", "SmolLM-135M", "T5-small", "Mamba-130m"],
)
@pytest.mark.slow
def test_the_published_size(make: Callable[[], Any], count: int) -> None:
    net: Any = jax.eval_shape(make)
    assert sum(x.size for x in jax.tree.leaves(net.parameters())) == count


@pytest.mark.slow
def test_weights_start_as_published() -> None:
    net = pax.nets.GPT2(50, dim=64, num_heads=4, num_layers=8, rng_key=jax.random.key(0))
    block = net.blocks.stacked
    for weight in (net.tokens.weight, block.attention.query_projection.weight):
        assert abs(float(weight.std()) / 0.02 - 1) < 0.1
    for layer in (block.attention.output_projection, block.feed_forward.layers[1]):
        assert abs(float(layer.weight.std()) / 0.005 - 1) < 0.1


@pytest.mark.slow
def test_a_ring_is_never_full() -> None:
    net = llama(window=3)
    out = pax.generation.generate(net, TOKENS, max_new_tokens=6, cache=net.make_cache(3, 3))
    np.testing.assert_array_equal(
        out.tokens, pax.generation.generate(net, TOKENS, max_new_tokens=6).tokens
    )


def after_tokens(net: Any, room: int, count: int) -> Any:
    """Returns a cache of the network that holds tokens, one more in the first row."""
    cache = net.make_cache(3, room)
    lengths = jnp.array([count + 1, count, count])
    return net.decode(TOKENS[:, : count + 1], cache, lengths=lengths)[1]


def generate_over(net: Any, room: int) -> Any:
    cache, lengths = after_tokens(net, room, 1), jnp.array([2, 1, 1])
    return pax.generation.generate(
        net, TOKENS[:, :2], lengths=lengths, max_new_tokens=4, cache=cache
    )


@pytest.mark.slow
def test_a_cache_that_is_just_large_enough() -> None:
    assert not jnp.isnan(generate_over(llama(), 7).log_probs).any()


@each(
    Bad(
        lambda: generate_over(llama(), 6),
        pax.ArgumentError,
        "generate got a cache with room for 6 tokens of a row; with max_new_tokens=4 there may be "
        "7.",
        "make a larger one: model.make_cache(3, max_length=7).",
    ),
    Bad(
        lambda: gpt2(num_heads=3),
        pax.ArgumentError,
        "GPT2 got dim=8 and num_heads=3, which does not divide it.",
        "choose a number of heads that divides dim.",
    ),
    Bad(
        lambda: llama(num_heads=3),
        pax.ArgumentError,
        "Llama got dim=8 and num_heads=3, which does not divide it.",
        "choose a number of heads that divides dim.",
    ),
    Bad(
        lambda: llama(tied=1),
        pax.ArgumentError,
        "Llama got tied of type int; expected True or False.",
        "write tied=True, and name the arguments after it.",
    ),
    Bad(
        lambda: gpt2().make_cache(2, 10),
        pax.ArgumentError,
        f"{SHOWN} got max_length=10 for a cache; it has 9 positions.",
        "generate fewer tokens, or build the network with a larger max_length.",
    ),
    Bad(
        lambda: pax.generation.generate(gpt2(), TOKENS, max_new_tokens=1),
        pax.ArgumentError,
        f"{SHOWN} got max_length=10 for a cache; it has 9 positions.",
        "generate fewer tokens, or build the network with a larger max_length.",
    ),
    Bad(
        lambda: pax.Sequential(pax.Linear(2, 2)).make_cache(1, 2),
        pax.ArgumentError,
        "Sequential cannot decode: layer 0, Linear(in_dim=2, out_dim=2, with_bias=True), has no "
        "make_cache and decode.",
        "decode with the layers that have, and call the others around them.",
    ),
)
def test_errors(bad: Bad, unchecked: None) -> None:
    bad.check()
