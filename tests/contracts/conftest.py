"""Quick compilation: the contracts compile thousands of tiny programs."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest

from tests.optimization import optimization


@pytest.fixture(autouse=True)
def little_optimization() -> Iterator[None]:
    """Makes XLA spend little on programs that run once; `compiled(case)` has what is usual."""
    with optimization(False):
        yield


@pytest.fixture(autouse=True, scope="package")
def nothing_left_behind() -> Iterator[None]:
    """Drops those programs at the end: to the last digit they are not what a user's would give."""
    yield
    jax.clear_caches()
