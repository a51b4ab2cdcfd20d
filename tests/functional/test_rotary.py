"""Rotary embedding against sums written from the papers, angle by angle in float64."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
import pax.functional as F
from tests.functional.messages import message

B, T, H, K = 2, 5, 3, 8


def normal(*shape: int) -> np.ndarray:
    """Returns random numbers."""
    return np.random.default_rng(shape).standard_normal(shape)


def plain(R: int, theta: float) -> list[float]:
    """Returns the frequencies of the first paper."""
    return [theta ** (-2 * i / R) for i in range(R // 2)]


def linear(R: int, theta: float) -> list[float]:
    """Returns frequencies of positions squeezed by 4."""
    return [f / 4.0 for f in plain(R, theta)]


def ntk(R: int, theta: float) -> list[float]:
    """Returns frequencies of a base by which the lowest is that of `linear`."""
    lowest = plain(R, theta)[-1] / 4.0
    base = lowest ** (-R / (R - 2))
    return plain(R, base)


def yarn(R: int, theta: float) -> list[float]:
    """Returns a mix of both; the bounds are the indices of 32 turns and of 1 over 64 places."""

    def index(turns: float) -> float:
        # the i whose wave length 2 pi theta^(2 i / R) fits `turns` times into 64
        return R / 2 * math.log(64 / (2 * math.pi * turns), theta)

    low, high = max(math.floor(index(32)), 0), min(math.ceil(index(1)), R - 1)
    out = []
    for i, f in enumerate(plain(R, theta)):
        kept = 1.0 if i <= low else 0.0 if i >= high else 1 - (i - low) / (high - low)
        out.append(kept * f + (1 - kept) * f / 4.0)
    return out


def llama3(R: int, theta: float) -> list[float]:
    """Returns frequencies by wave length: above 64, below 16, and between."""
    out = []
    for f in plain(R, theta):
        length = 2 * math.pi / f
        if length > 64 / 1.0:
            f = f / 4.0
        elif length >= 64 / 4.0:
            smooth = (64 / length - 1.0) / (4.0 - 1.0)
            f = (1 - smooth) * f / 4.0 + smooth * f
        out.append(f)
    return out


SCALINGS: dict[str, tuple[Any, Any, float]] = {
    "none": (None, plain, 1.0),
    "linear": (F.LinearRotaryScaling(4.0), linear, 1.0),
    "NTK": (F.NTKRotaryScaling(4.0), ntk, 1.0),
    "YaRN": (F.YarnRotaryScaling(4.0, 64), yarn, 0.1 * math.log(4.0) + 1),
    "Llama 3": (F.Llama3RotaryScaling(4.0, 1.0, 4.0, 64), llama3, 1.0),
}


def turned(x: Any, positions: Any, frequencies: Any, size: float, convention: str) -> np.ndarray:
    """Turns pair by pair, as complex numbers."""
    y, R = np.array(x, np.float64), 2 * len(frequencies)
    for i, f in enumerate(frequencies):
        u, v = (i, i + R // 2) if convention == "halves" else (2 * i, 2 * i + 1)
        pair = (y[..., u] + 1j * y[..., v]) * size * np.exp(1j * positions * f)[..., None]
        y[..., u], y[..., v] = pair.real, pair.imag
    return y


@pytest.mark.parametrize("convention", ["halves", "pairs"])
@pytest.mark.parametrize("name", SCALINGS)
def test_by_complex_numbers(name: str, convention: str) -> None:
    scaling, frequencies, size = SCALINGS[name]
    with jax.enable_x64(True):
        for R, theta in ((K, 100.0), (6, 10_000.0)):
            x, positions = normal(B, T, H, K), np.random.default_rng(0).integers(0, 999, (B, T))
            options: dict[str, Any] = {"rotary_dim": R, "theta": theta, "scaling": scaling}
            y = F.rotary_embed(x, positions, convention=convention, **options)
            expected = turned(x, positions, frequencies(R, theta), size, convention)
            np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)
            np.testing.assert_array_equal(y[..., R:], x[..., R:])


@pytest.mark.parametrize("name", SCALINGS)
def test_scalings_change_frequencies(name: str) -> None:
    """The tests of a scaling would not hold for another."""
    scaling, frequencies, _ = SCALINGS[name]
    found = (scaling or F.RotaryScaling()).frequencies(16, 100.0)
    for other, (_, its, _) in SCALINGS.items():
        assert np.allclose(found, its(16, 100.0), rtol=1e-12) == (other == name)
    assert len(frequencies(16, 100.0)) == 8


def test_numbers_of_models() -> None:
    """The arguments of published models: which frequencies stay, and which are divided."""
    llama = F.Llama3RotaryScaling(8.0, 1.0, 4.0, 8192).frequencies(128, 500_000.0)
    base = 500_000.0 ** (-np.arange(64) / 64)
    np.testing.assert_allclose(llama[:29], base[:29], rtol=1e-12)  # waves of up to 2048 places
    np.testing.assert_allclose(llama[35:], base[35:] / 8, rtol=1e-12)  # of 8192 and more
    assert ((llama < base) & (llama > base / 8))[29:35].all()
    yarn = F.YarnRotaryScaling(40.0, 4096, mscale=0.707, mscale_all_dim=0.707)
    assert yarn.magnitude() == 1.0
    yarn = F.YarnRotaryScaling(40.0, 4096, mscale=1.0, mscale_all_dim=0.5)
    assert yarn.magnitude() == pytest.approx((0.1 * math.log(40) + 1) / (0.05 * math.log(40) + 1))
    assert F.YarnRotaryScaling(40.0, 4096, attention_factor=1.5).magnitude() == 1.5
    # bounds that are no whole indices: the ramp starts and ends at them
    yarn = F.YarnRotaryScaling(32.0, 4096, truncate=False).frequencies(64, 150_000.0)
    base = 150_000.0 ** (-np.arange(32) / 32)
    low, high = (32 * math.log(4096 / (2 * math.pi * n), 150_000.0) for n in (32, 1))
    share = np.clip((np.arange(32) - low) / (high - low), 0, 1)
    np.testing.assert_allclose(yarn, base * (1 - share) + base / 32 * share, rtol=1e-12)


def test_a_yarn_of_one_bound_is_a_step() -> None:
    found = F.YarnRotaryScaling(2.0, 4, beta_fast=8.0, beta_slow=4.0).frequencies(8, 100.0)
    np.testing.assert_allclose(found, np.array(plain(8, 100.0)) / [1, 2, 2, 2], rtol=1e-12)


@pytest.mark.parametrize("convention", ["halves", "pairs"])
def test_products_depend_on_the_difference_of_positions(convention: str) -> None:
    query, key = normal(T, 1, K).astype(np.float32), normal(T, 2, K)[:, :1].astype(np.float32)
    at = np.arange(T)

    def products(start: int) -> Any:
        q, k = (F.rotary_embed(x, at + start, convention=convention) for x in (query, key))
        return jnp.einsum("thk,shk->ts", q, k)

    np.testing.assert_allclose(products(0), products(1000), atol=1e-3)
    assert not np.allclose(products(0), np.einsum("thk,shk->ts", query, key), atol=0.1)


def test_the_conventions_are_a_permutation_of_one_another() -> None:
    x = normal(T, H, K).astype(np.float32)
    order = np.arange(K).reshape(2, K // 2).T.reshape(-1)  # 0, 4, 1, 5, ...
    halves = F.rotary_embed(x, np.arange(T), convention="halves")
    pairs = F.rotary_embed(x[..., order], np.arange(T), convention="pairs")
    np.testing.assert_allclose(pairs, halves[..., order], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_angles_are_exact_in_half_precision(dtype: Any) -> None:
    x = jnp.asarray(normal(T, H, K), dtype)
    positions = np.arange(T) + 3001  # bfloat16 would round it to 3008
    y = F.rotary_embed(x, positions)
    assert y.dtype == dtype
    expected = turned(x, positions, plain(K, 10_000.0), 1.0, "halves")
    tolerance = float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(np.asarray(y, np.float64), expected, rtol=tolerance, atol=2e-3)


def test_edge_shapes() -> None:
    x = normal(B, T, H, K).astype(np.float32)
    assert F.rotary_embed(x[:0], np.arange(T)).shape == (0, T, H, K)
    assert F.rotary_embed(x[:, :0], np.arange(0)).shape == (B, 0, H, K)
    np.testing.assert_array_equal(F.rotary_embed(x, np.zeros(T, np.int32)), x)
    each = F.rotary_embed(x, np.tile(np.arange(T), (B, 1)))
    np.testing.assert_array_equal(each, F.rotary_embed(x, np.arange(T)))


@pytest.mark.parametrize(
    ("error", "x", "positions", "options", "text"),
    [
        (
            pax.ShapeError,
            np.ones((T, H, 5), np.float32),
            np.arange(T),
            {},
            "rotary_embed got x of shape (5, 3, 5), whose last axis is odd.\n"
            "  fix: entries are turned in pairs: choose an even width, or rotary_dim=4.",
        ),
        (
            pax.ShapeError,
            np.ones((B, T, H, K), np.float32),
            np.arange(B),
            {},
            "rotary_embed got x of shape (2, 5, 3, 8) and positions of shape (2,); expected "
            "(..., T, H, K) and (5,) or (2, 5).\n"
            "  fix: split the last axis of x into heads first, and give one position for each "
            "place.",
        ),
        (
            pax.ShapeError,
            np.ones((T, K), np.float32),
            np.arange(T),
            {},
            "rotary_embed got x of shape (5, 8) and positions of shape (5,); expected "
            "(..., T, H, K) and (T,) or (..., T).\n"
            "  fix: split the last axis of x into heads first, and give one position for each "
            "place.",
        ),
        (
            pax.DtypeError,
            np.ones((T, H, K), np.float32),
            np.ones(T, bool),
            {},
            "rotary_embed got positions of dtype bool; expected numbers.\n"
            "  fix: give one number for each place: jnp.arange(x.shape[-3]).",
        ),
        (
            pax.ArgumentError,
            np.ones((T, H, K), np.float32),
            np.arange(T),
            {"rotary_dim": 10},
            "rotary_embed got rotary_dim=10 for x of shape (5, 3, 8); expected an even integer "
            "from 2 to 8.\n"
            "  fix: entries are turned in pairs: choose an even number of them, or None for all.",
        ),
        (
            pax.ArgumentError,
            np.ones((T, H, K), np.float32),
            np.arange(T),
            {"convention": "neox"},
            "rotary_embed got convention='neox'; expected one of 'halves', 'pairs'.\n"
            "  fix: write convention='halves'.",
        ),
        (
            pax.ArgumentError,
            np.ones((T, H, K), np.float32),
            np.arange(T),
            {"scaling": {"factor": 2.0}},
            "rotary_embed got scaling of type dict; expected a scaling of pax.functional.\n"
            "  fix: write scaling=pax.functional.LinearRotaryScaling(factor=4.0).",
        ),
    ],
)
def test_bad_input(
    error: Any, x: Any, positions: Any, options: Any, text: str, unchecked: None
) -> None:
    assert message(error, lambda: F.rotary_embed(x, positions, **options)) == text


YARN = "YarnRotaryScaling got "


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: F.LinearRotaryScaling(0.5),
            "LinearRotaryScaling got factor=0.5; expected a number of at least 1.\n"
            "  fix: give how many times longer the sequences are than in training: factor=4.0.",
        ),
        (
            lambda: F.YarnRotaryScaling(4.0, 0),
            f"{YARN}original_max_position_embeddings=0; expected a positive number.\n"
            "  fix: set original_max_position_embeddings to a positive number.",
        ),
        (
            lambda: F.YarnRotaryScaling(4.0, 64, beta_fast=1.0),
            f"{YARN}beta_fast=1.0 and beta_slow=1.0; expected beta_fast to be larger.\n"
            "  fix: leave both out: 32 and 1.",
        ),
        (
            lambda: F.YarnRotaryScaling(4.0, 64, mscale=1.0),
            f"{YARN}attention_factor=None, mscale=1.0 and mscale_all_dim=None; expected the first "
            "alone, the other two, or none.\n  fix: leave out what the file of the model has not.",
        ),
        (
            lambda: F.Llama3RotaryScaling(8.0, 4.0, 1.0, 8192),
            "Llama3RotaryScaling got low_freq_factor=4.0 and high_freq_factor=1.0; expected the "
            "latter to be larger.\n"
            "  fix: take the numbers of the model's file, for Llama 3.1 1.0 and 4.0.",
        ),
    ],
)
def test_bad_scalings(make: Any, text: str, unchecked: None) -> None:
    assert message(pax.ArgumentError, make) == text
