"""What the figures depend on: versions and cores, with no name of a machine or a folder."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import Any

_PACKAGES = (
    "pax-nn",
    "jax",
    "jaxlib",
    "optax",
    "numpy",
    "equinox",
    "flax",
    "dm-haiku",
    "torch",
)


def describe() -> dict[str, Any]:
    """Returns the machine and the versions, for the file of figures."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
