"""Equality to the last bit holds between programs that XLA optimises alike."""

from __future__ import annotations

import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def programs_of_these_tests() -> None:
    """Forgets what the contract tests compiled in this process with little optimisation."""
    jax.clear_caches()
