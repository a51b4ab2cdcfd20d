"""The count of compilations."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from benchmarks.compilations import Compilations


def test_each_compilation_counts_once() -> None:
    x = jax.device_put(jnp.arange(3.0))
    double = jax.jit(lambda x: x * 2.5)
    compilations = Compilations()
    double(x).block_until_ready()
    count, seconds = compilations.take()
    assert count == 1 and seconds > 0
    double(x).block_until_ready()
    assert compilations.take() == (0, 0)
