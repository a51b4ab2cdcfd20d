"""Equality to the last bit holds between programs that XLA optimizes alike."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest

from tests.optimization import USUAL, optimization


@pytest.fixture(autouse=True, scope="module")
def programs_of_these_tests() -> None:
    """Forgets what other tests compiled in this process with less optimization than usual."""
    if USUAL:
        jax.clear_caches()


@pytest.fixture
def fully_optimized() -> Iterator[None]:
    """Has XLA do all that it does for a user; what it made is then forgotten."""
    jax.clear_caches()
    with optimization(True):
        yield
    jax.clear_caches()
