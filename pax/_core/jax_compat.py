"""The only file that touches what JAX does not document as stable."""

from __future__ import annotations

from typing import Any

import jax
import jax.extend.core

#: What the trace state looks like outside every transformation.
_EAGER = jax.extend.core.get_opaque_trace_state()


def trace_state() -> Any:
    """Returns a value that is equal for two calls made inside the same JAX trace."""
    return jax.extend.core.get_opaque_trace_state()


def is_tracing() -> bool:
    """Returns whether a JAX transformation is tracing on this thread now."""
    return jax.extend.core.get_opaque_trace_state() != _EAGER


def uses_raw_threefry() -> bool:
    """Returns whether `jax.random.PRNGKey` makes raw keys of the default generator."""
    config: Any = jax.config  # the options are not declared to type checkers
    return config.jax_default_prng_impl == "threefry2x32" and not config.jax_enable_custom_prng
