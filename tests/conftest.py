"""The strict bench that every test runs on."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

# Read when JAX is imported: eight devices, and no silent promotion of dtypes or ranks.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_NUM_CPU_DEVICES"] = "8"
os.environ["JAX_NUMPY_DTYPE_PROMOTION"] = "strict"
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
# XLA spends little on the machine code of programs that run once. `make test-all` has all of it.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import hypothesis
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import tests.annotations  # noqa: F401  (the hook below names it)

# Traces leave millions of objects: looking for cycles at each 700 new ones took a twentieth.
gc.set_threshold(20_000)

# Stays in force: parts of the package load on first use, and their annotations count too.
jaxtyping.install_import_hook("pax", "tests.annotations.checked")

import pax  # noqa: E402

# An example may wait for a compilation; a run in CI draws the same examples each time.
hypothesis.settings.register_profile("pax", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("pax")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Makes each test draw the same keys, alone or among others."""
    pax.seed_rng_key(42)


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Lets a test pass what the annotations refuse, so that the error is the package's own."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture(autouse=True, scope="session")
def doctest_names(doctest_namespace: dict[str, object]) -> None:
    """Gives every doctest the names that its reader is assumed to have imported."""
    doctest_namespace.update(pax=pax, jax=jax, jnp=jnp, np=np)
