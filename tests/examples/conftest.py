"""What all tests of the examples share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType

import jax
import pytest


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A user's environment, not that of the strict bench; programs are compiled once for all."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    return kept | {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    }


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs an example in this process, under JAX's usual promotion; returns what it printed."""

    def run(example: ModuleType, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [f"{example.__name__}.py", *arguments])
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            example.main()
        return capsys.readouterr().out

    return run
