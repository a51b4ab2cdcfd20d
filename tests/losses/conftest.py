"""Quick compilation: these tests compile many tiny programs that run once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.optimization import optimization


@pytest.fixture(autouse=True)
def little_optimization() -> Iterator[None]:
    """Makes XLA spend little on each program."""
    with optimization(False):
        yield
