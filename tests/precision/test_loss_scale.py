"""Scales of the loss, against the jmp package and by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jmp
import numpy as np
import pytest

import pax
from pax.precision import DynamicLossScale, StaticLossScale
from tests.core.samples import normal


@pytest.mark.parametrize("make", [StaticLossScale, DynamicLossScale])
def test_scale_and_unscale(make: Callable[[float], Any]) -> None:
    scale, x = make(1000.0), normal(5)
    tree = {"x": x, "half": x.astype(jnp.bfloat16), "n": jnp.arange(3), "text": "t"}
    up, down = scale.scale(tree), scale.unscale(tree)
    np.testing.assert_array_equal(up["x"], x * np.float32(1000))
    np.testing.assert_array_equal(down["x"], x / np.float32(1000))
    assert (up["half"].dtype, down["half"].dtype) == (jnp.bfloat16, jnp.bfloat16)
    assert up["n"] is tree["n"]
    assert up["text"] == "t"


def test_unscaling_goes_through_float32() -> None:
    small = jnp.array([60000.0, 1.5], jnp.float16)
    np.testing.assert_array_equal(
        StaticLossScale(1e5).unscale(small),
        (np.array([60000.0, 1.5], np.float32) / np.float32(1e5)).astype(np.float16),
    )


def test_float64_stays() -> None:
    with jax.enable_x64(True):
        x = np.random.default_rng(0).normal(size=3)
        np.testing.assert_array_equal(StaticLossScale(1024.0).scale(jnp.asarray(x)), x * 1024)


def test_a_static_scale_stays() -> None:
    scale = StaticLossScale(8.0)
    assert scale.adjust(jnp.array(False)) is scale


@pytest.mark.parametrize("period", [1, 3])
def test_a_dynamic_scale_moves_like_that_of_the_jmp_package(period: int) -> None:
    ours = DynamicLossScale(2.0**4, period=period, factor=4.0, min_loss_scale=0.5)
    theirs = jmp.DynamicLossScale(
        jnp.float32(2.0**4), period=period, factor=4, min_loss_scale=np.float32(0.5)
    )
    adjust = jax.jit(lambda scale, finite: scale.adjust(finite))
    for finite in np.random.default_rng(1).random(60) < 0.6:
        before, ours = ours, adjust(ours, finite)
        with jax.numpy_dtype_promotion("standard"):  # the package relies on it
            theirs = theirs.adjust(jnp.asarray(finite))
        assert ours.loss_scale == theirs.loss_scale
        assert ours.counter == theirs.counter
        pax.assert_structure_equal(before, ours)
    assert float(ours.loss_scale) != 2.0**4


def test_it_never_becomes_infinite_nor_less_than_the_least() -> None:
    scale = DynamicLossScale(2.0**127, period=1)
    assert scale.adjust(True).loss_scale == 2.0**127
    low = DynamicLossScale(1.5, min_loss_scale=1.0)
    assert low.adjust(False).loss_scale == 1.0


def test_in_scan_and_as_a_state() -> None:
    scale = DynamicLossScale(16.0, period=2)
    finite = jnp.array([True, True, False, True])
    after, path = jax.lax.scan(lambda s, f: (s.adjust(f), s.loss_scale), scale, finite)
    assert path.tolist() == [16.0, 16.0, 32.0, 16.0]
    assert (after.loss_scale, after.counter) == (16.0, 1)
    assert jax.tree.leaves(scale.parameters()) == []
    assert repr(scale) == "DynamicLossScale(period=2, factor=2.0)"
    assert repr(StaticLossScale(2.0)) == "StaticLossScale"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: StaticLossScale(0),
            "StaticLossScale got loss_scale=0; expected a positive number.\n"
            "  fix: set loss_scale to a positive number.",
        ),
        (
            lambda: DynamicLossScale(float("inf")),
            "DynamicLossScale got loss_scale=inf; expected a positive number.\n"
            "  fix: set loss_scale to a positive number.",
        ),
        (
            lambda: DynamicLossScale(period=0),
            "DynamicLossScale got period=0; expected an integer of at least 1.\n"
            "  fix: set period to a positive integer.",
        ),
        (
            lambda: DynamicLossScale(factor=1.0),
            "DynamicLossScale got factor=1.0; expected a number above 1.\n  fix: write factor=2.0.",
        ),
        (
            lambda: DynamicLossScale(4.0, min_loss_scale=8.0),
            "DynamicLossScale got min_loss_scale=8.0, above loss_scale=4.0.\n"
            "  fix: write min_loss_scale=1.0, or start higher.",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(pax.ArgumentError) as raised:
        make()
    assert str(raised.value) == text
