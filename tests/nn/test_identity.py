"""The layer that does nothing."""

from __future__ import annotations

import jax.numpy as jnp
import pytest

import pax


@pytest.mark.parametrize("x", [jnp.array([1, 2]), None, "text", (1, [2.0])])
def test_anything_comes_back(x: object) -> None:
    assert pax.Identity()(x) is x


def test_its_mode() -> None:
    assert pax.Identity().training
    assert not pax.Identity(training=False).training
    assert not pax.Identity().eval().training


def test_printed_form() -> None:
    assert repr(pax.Identity(name="same")) == "(same) Identity"
