"""How hard XLA works on the machine code of what the tests compile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax

#: Whether this run optimizes as a user's does: `make test-all` does, the quick suite does not.
USUAL = not jax.config.read("jax_disable_most_optimizations")


@contextlib.contextmanager
def optimization(on: bool) -> Iterator[None]:
    """Sets whether XLA optimizes what is compiled in this block."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", not on)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
