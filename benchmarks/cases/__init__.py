"""The cases: one file each, which holds a `CASE` and imports no contender."""

from __future__ import annotations

import importlib

from benchmarks.case import Case

CASES = ("dispatch", "construction", "start", "step", "depth", "memory", "attention", "decoding")


def load(name: str) -> Case:
    """Returns the case of that name."""
    return importlib.import_module(f"benchmarks.cases.{name}").CASE
