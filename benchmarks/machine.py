"""What the figures depend on: versions and cores, with no name of a machine or a folder."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import Any

_LIBRARIES = ("jax", "jaxlib", "optax", "numpy", "equinox", "flax", "dm-haiku", "torch")


def describe() -> dict[str, Any]:
    """Returns the machine and the versions, for the file of figures."""
    installed = {d.metadata["Name"].lower() for d in importlib.metadata.distributions()}
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES if name in installed}
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "versions": {"python": platform.python_version(), "pax": _pax_version()} | versions,
    }


def _pax_version() -> str:
    import pax

    return pax.__version__
