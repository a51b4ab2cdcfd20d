"""The strict bench of tests/conftest.py is in force."""

from __future__ import annotations

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax


def test_eight_devices() -> None:
    assert jax.device_count() == 8


def test_dtypes_are_not_promoted_silently() -> None:
    with pytest.raises(ValueError, match="promotion"):
        jnp.ones(3, jnp.float32) + jnp.ones(3, jnp.int32)


def test_ranks_are_not_promoted_silently() -> None:
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((2, 3)) + jnp.ones(3)


def test_a_warning_is_an_error() -> None:
    with pytest.raises(UserWarning):
        warnings.warn("a warning", UserWarning, stacklevel=1)


def test_annotations_are_checked() -> None:
    with pytest.raises(Exception, match="Type-check error"):
        pax.seed_rng_key("no integer")


def test_the_seed_is_the_same_in_every_test() -> None:
    drawn = np.asarray(pax.next_rng_key())
    pax.seed_rng_key(42)
    assert (drawn == np.asarray(pax.next_rng_key())).all()
