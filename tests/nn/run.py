"""Calls of modules, compiled: that is quicker than the compilation of each operation."""

from __future__ import annotations

from typing import Any

import jax

import pax


@jax.jit
def called(module: Any, *inputs: Any) -> Any:
    """Returns what the module returns."""
    return module(*inputs)


@jax.jit
def trained(module: Any, *inputs: Any) -> tuple[Any, Any]:
    """Returns the module after a call, and what it returns."""
    return pax.purecall(module, *inputs)
