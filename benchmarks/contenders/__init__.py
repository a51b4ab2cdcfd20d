"""The contenders: one file each, which imports its own library and no other."""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks.task import Task

CONTENDERS = ("jax", "pax", "equinox", "nnx", "haiku", "torch")


def make(contender: str, model: str, **sizes: Any) -> Task:
    """Imports the contender and returns its program for a model, with nothing built yet."""
    return importlib.import_module(f"benchmarks.contenders.{contender}").make(model, **sizes)
