"""The only file that touches what JAX does not document as stable."""

from __future__ import annotations

from typing import Any

import jax.extend.core

#: What the trace state looks like outside every transformation.
_EAGER = jax.extend.core.get_opaque_trace_state()


def trace_state() -> Any:
    """Returns a value that is equal for two calls made inside the same JAX trace."""
    return jax.extend.core.get_opaque_trace_state()


def is_tracing() -> bool:
    """Returns whether a JAX transformation is tracing on this thread now."""
    return jax.extend.core.get_opaque_trace_state() != _EAGER
