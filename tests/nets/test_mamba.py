"""Mamba: its first values, and what it refuses."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.functional.messages import message
from tests.nn.bad import Bad, each


def network() -> pax.nets.Mamba:
    return pax.nets.Mamba(7, 6, 2, state_dim=3)


def test_steps_start_between_a_thousandth_and_a_tenth() -> None:
    net = pax.nets.Mamba(3, 40, 2)
    step = jax.nn.softplus(net.blocks.stacked.step_projection.bias)
    assert 9.9e-4 < step.min() < 2e-3
    assert 5e-2 < step.max() < 0.101
    rates = -np.exp(net.blocks.stacked.log_rate)
    np.testing.assert_allclose(rates[1, :, 5], -np.arange(1, 17), rtol=1e-6)


def test_wrong_lengths_in_a_compiled_program_spoil_their_rows_alone() -> None:
    net = network()
    run = jax.jit(lambda net, n: net.decode(jnp.ones((2, 3), int), net.make_cache(2, 3), lengths=n))
    logits, _ = run(net, jnp.array([3, 4]))
    assert np.isfinite(logits[0]).all()
    assert np.isnan(logits[1]).all()


@pytest.mark.slow
def test_what_is_no_token_is_not_read() -> None:
    net = network()
    run = jax.jit(lambda net, x: net.decode(x, net.make_cache(2, 4), lengths=np.array([3, 1]))[1])
    found, alike = (run(net, np.array([[3, 1, 4], [1, *rest]])) for rest in ([-1, 99], [2, 0]))
    jax.tree.map(np.testing.assert_array_equal, found, alike)
    assert all(np.isfinite(x).all() for x in found)


TOKENS = np.zeros((2, 3), np.int32)


@each(
    Bad(
        lambda: pax.nets.Mamba(7, 6, 2, conv_width=0),
        pax.ArgumentError,
        "Mamba got conv_width=0; expected an integer of at least 1.",
        "set conv_width to a positive integer.",
    ),
    Bad(
        network,
        pax.ShapeError,
        "Mamba(vocab_size=7, dim=6, num_layers=2) got tokens of shape (3,); expected [B, T].",
        "add the batch axis with x[None].",
        (TOKENS[0],),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()


@pytest.mark.slow
def test_no_tokens_change_nothing() -> None:
    net = network()
    _, cache = net.decode(TOKENS, net.make_cache(2, 6))
    logits, after = net.decode(TOKENS[:, :0], cache)
    assert logits.shape == (2, 0, 7)
    jax.tree.map(np.testing.assert_array_equal, after, cache)


def test_a_cache_of_other_rows_or_of_another_thing(unchecked: None) -> None:
    net = network()
    assert message(pax.ShapeError, lambda: net.decode(TOKENS, net.make_cache(3, 3))) == (
        "Mamba(vocab_size=7, dim=6, num_layers=2) got tokens of shape (2, 3); expected (3, time).\n"
        "  at: model\n"
        "  fix: give one row of tokens for each row of the batch, and of the cache."
    )
    assert message(pax.CallError, lambda: net.decode(TOKENS, None)) == (
        "Mamba(vocab_size=7, dim=6, num_layers=2) got a cache of type NoneType; expected "
        "MambaCache.\n"
        "  at: model\n"
        "  fix: start with cache = net.make_cache(batch_size, max_length)."
    )


@pytest.mark.parametrize(
    ("lengths", "kind", "found", "fix"),
    [
        (
            np.array([1, 4]),
            pax.ArgumentError,
            "lengths=[1, 4] with 3 places; expected integers from 0 to 3.",
            "count the tokens of each row, the first ones: mask.sum(axis=1).",
        ),
        (
            np.array([1]),
            pax.ShapeError,
            "lengths of shape (1,) with tokens of shape (2, 3); expected (2,).",
            "give one number for each row of the batch.",
        ),
        (
            np.array([1.0, 2.0]),
            pax.DtypeError,
            "lengths of dtype float32; expected integers.",
            "count the tokens of each row: lengths = mask.sum(axis=1).",
        ),
    ],
)
def test_bad_lengths(
    lengths: np.ndarray, kind: type[Exception], found: str, fix: str, unchecked: None
) -> None:
    net = network()
    text = message(kind, lambda: net.decode(TOKENS, net.make_cache(2, 3), lengths=lengths))
    assert (
        text == f"Mamba(vocab_size=7, dim=6, num_layers=2) got {found}\n  at: model\n  fix: {fix}"
    )
