"""Positions, times and points as vectors."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

X = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)


def test_each_place_gets_its_vector() -> None:
    layer = pax.PositionEmbed(5, 4)
    weight = np.asarray(layer.weight)
    np.testing.assert_allclose(layer(X), X + weight[:3], rtol=1e-6)
    np.testing.assert_allclose(layer(X[0]), X[0] + weight[:3], rtol=1e-6)
    np.testing.assert_allclose(layer(X, np.array([2, 0, 4])), X + weight[[2, 0, 4]], rtol=1e-6)
    each_its_own = np.array([[0, 1, 2], [4, 4, 3]])
    np.testing.assert_allclose(layer(X, each_its_own), X + weight[each_its_own], rtol=1e-6)
    assert np.isnan(layer(X, np.array([0, 1, 5]))[:, 2]).all()
    first = np.asarray(pax.PositionEmbed(100, 50).weight)
    assert abs(first).max() <= 0.04
    assert abs(first.std() - 0.02 * 0.8796) < 5e-4  # what is left of a normal law cut there
    assert layer(X.astype(jnp.bfloat16)).dtype == jnp.bfloat16
    assert layer(X[:, :0]).shape == (2, 0, 4)


@pytest.mark.parametrize("size", [2, 6])
def test_waves_of_transformers_by_hand(size: int) -> None:
    y = np.asarray(pax.SinusoidalEmbed(size)(jnp.array([0, 1, 37])))
    for row, position in zip(y, (0, 1, 37), strict=True):
        for i in range(size // 2):
            angle = position / 10_000 ** (2 * i / size)
            assert abs(row[2 * i] - math.sin(angle)) < 1e-5
            assert abs(row[2 * i + 1] - math.cos(angle)) < 1e-5


def test_waves_of_diffusion_by_hand() -> None:
    layer = pax.SinusoidalEmbed(6, convention="diffusion", max_period=100.0)
    y = np.asarray(layer(jnp.array([[0.25, 12.0]])))[0]
    for row, time in zip(y, (0.25, 12.0), strict=True):
        angles = [time / 100 ** (i / 2) for i in range(3)]
        np.testing.assert_allclose(row[:3], np.sin(angles), atol=1e-5)
        np.testing.assert_allclose(row[3:], np.cos(angles), atol=1e-5)


def test_dtypes_of_waves() -> None:
    layer = pax.SinusoidalEmbed(4)
    assert layer(jnp.arange(3)).dtype == jnp.float32
    assert layer(jnp.ones(3, jnp.bfloat16)).dtype == jnp.bfloat16
    assert layer(jnp.ones((), jnp.float16)).shape == (4,)
    assert layer(jnp.zeros((2, 0))).shape == (2, 0, 4)
    with jax.enable_x64(True):
        assert layer(jnp.arange(3)).dtype == jnp.float64
    assert jax.tree.leaves(layer) == []


def test_fourier_features() -> None:
    layer = pax.FourierEmbed(3, 6, 2.0)
    x = X[..., :3]
    turns = 2 * np.pi * (x.astype(np.float64) @ np.asarray(layer.frequencies, np.float64))
    expected = np.concatenate([np.cos(turns), np.sin(turns)], axis=-1)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    assert jax.tree.leaves(layer.parameters()) == []
    wide = pax.FourierEmbed(50, 400, 3.0, rng_key=jax.random.key(0))
    assert abs(float(wide.frequencies.std()) - 3) < 0.1


def test_printed_forms() -> None:
    assert repr(pax.PositionEmbed(5, 4)) == "PositionEmbed(max_length=5, embed_dim=4)"
    assert repr(pax.SinusoidalEmbed(4, name="t")) == (
        "(t) SinusoidalEmbed(embed_dim=4, convention=transformer)"
    )
    assert repr(pax.FourierEmbed(1, 4)) == "FourierEmbed(in_dim=1, embed_dim=4, stddev=1.0)"


def size(value: Any, least: int, **options: Any) -> Bad:
    """Returns a size of waves that is refused."""
    return Bad(
        lambda: pax.SinusoidalEmbed(value, **options),
        pax.ArgumentError,
        f"SinusoidalEmbed got embed_dim={value!r}; expected an even integer of at least {least}.",
        "half of the entries are sines and half cosines: choose an even embed_dim.",
    )


@each(
    *(size(value, 2) for value in (3, 0, -2, 4.0)),
    size(2, 4, convention="diffusion"),
    Bad(
        lambda: pax.SinusoidalEmbed(4, convention="ddpm"),
        pax.ArgumentError,
        "SinusoidalEmbed got convention='ddpm'; expected one of 'transformer', 'diffusion'.",
        "write convention='transformer'.",
    ),
    Bad(
        lambda: pax.SinusoidalEmbed(4, max_period=0),
        pax.ArgumentError,
        "SinusoidalEmbed got max_period=0; expected a positive number.",
        "set max_period to a positive number.",
    ),
    Bad(
        lambda: pax.FourierEmbed(2, 3),
        pax.ArgumentError,
        "FourierEmbed got embed_dim=3; expected an even integer.",
        "half of the entries are cosines and half sines: choose an even embed_dim.",
    ),
    Bad(
        lambda: pax.FourierEmbed(2, 4, 0.0),
        pax.ArgumentError,
        "FourierEmbed got stddev=0.0; expected a positive number.",
        "set stddev to a positive number.",
    ),
    Bad(
        lambda: pax.FourierEmbed(2, 4),
        pax.ShapeError,
        "FourierEmbed(in_dim=2, embed_dim=4, stddev=1.0) got input of shape (2, 3, 4); expected "
        "(..., 2).",
        "the layer before gives 4 features; build this one with in_dim=4.",
        (X,),
    ),
    Bad(
        lambda: pax.PositionEmbed(0, 4),
        pax.ArgumentError,
        "PositionEmbed got max_length=0; expected an integer of at least 1.",
        "set max_length to a positive integer.",
    ),
    Bad(
        lambda: pax.PositionEmbed(2, 4),
        pax.ShapeError,
        "PositionEmbed(max_length=2, embed_dim=4) got input of shape (2, 3, 4): 3 places in time; "
        "expected at most 2.",
        "build it with max_length=3, or cut the sequence.",
        (X,),
    ),
    Bad(
        lambda: pax.PositionEmbed(5, 3),
        pax.ShapeError,
        "PositionEmbed(max_length=5, embed_dim=3) got input of shape (2, 3, 4); expected "
        "(..., time, 3).",
        "turn tokens into vectors first: pax.Embed(vocab_size, 3)(tokens).",
        (X,),
    ),
    Bad(
        lambda: pax.PositionEmbed(5, 4),
        pax.ShapeError,
        "PositionEmbed(max_length=5, embed_dim=4) got positions of shape (2,) with input of shape "
        "(2, 3, 4); expected (3,) or (2, 3).",
        "give one position for each place in time.",
        (X, np.array([0, 1])),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: pax.functional.sinusoidal_embed(X, 3),
            "sinusoidal_embed got embed_dim=3; expected an even integer of at least 2.\n"
            "  fix: half of the entries are sines and half cosines: choose an even embed_dim.",
        ),
        (
            lambda: pax.functional.fourier_embed(X, X[0]),
            "fourier_embed got x of shape (2, 3, 4) and frequencies of shape (3, 4); expected "
            "[..., in_dim] and [in_dim, embed_dim / 2].\n"
            "  fix: give single numbers a last axis of size 1: x[..., None].",
        ),
        (
            lambda: pax.functional.embedding_bag(X[0].astype(np.int32), X[0], mode="min"),
            "embedding_bag got mode='min'; expected one of 'mean', 'sum', 'max'.\n"
            "  fix: write mode='mean'.",
        ),
    ],
)
def test_errors_of_the_functions(call: Any, text: str) -> None:
    with pytest.raises(pax.PaxError) as raised:
        call()
    assert str(raised.value) == text
