"""Quick compilation: whole networks are compiled once for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.optimization import optimization


@pytest.fixture(autouse=True)
def little_optimization() -> Iterator[None]:
    """Makes XLA spend little on programs that run once."""
    with optimization(False):
        yield
