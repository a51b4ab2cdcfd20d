"""The only file that touches what JAX does not document as stable.

`jax.extend` is imported at the first use: it loads Pallas, a third of the time that `import pax`
may take.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable
from typing import Any

import jax


@functools.cache
def _trace_state_getter() -> Callable[[], Any]:
    # Not `import jax.extend.core`: `jax` has no attribute `extend` yet while another thread is at
    # the end of the same import.
    from jax.extend.core import get_opaque_trace_state

    return get_opaque_trace_state


def trace_state() -> Any:
    """Returns a value that is equal for two calls made inside the same JAX trace."""
    return _trace_state_getter()()


@functools.cache
def _eager_state() -> Any:
    """Returns the trace state outside every transformation: that of a new thread."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(trace_state()))
    thread.start()
    thread.join()
    return found[0]


def is_tracing() -> bool:
    """Returns whether a JAX transformation is tracing on this thread now."""
    return trace_state() != _eager_state()


def is_on_mesh(x: jax.Array) -> bool:
    """Returns whether an array, or one that JAX traces, lies on a mesh of devices."""
    return not jax.typeof(x).sharding.mesh.empty


def varying_as(tree: Any, *others: Any) -> Any:
    """Returns arrays that count as different on each device wherever one of the others does.

    Inside `jax.shard_map`, what a loop carries must be so from the start.
    """
    leaves = jax.tree_util.tree_leaves((tree, others))
    axes = frozenset[Any]().union(*map(_varying, leaves))

    def cast(x: Any) -> Any:
        missing = tuple(axes - _varying(x))
        return jax.lax.pcast(x, missing, to="varying") if missing else x

    return jax.tree_util.tree_map(cast, tree)


def _varying(x: Any) -> frozenset[Any]:
    """Returns the axes of `jax.shard_map` along which an array is not the same everywhere."""
    kind: Any = jax.typeof(x)  # its name has changed between versions
    return kind.vma if hasattr(kind, "vma") else kind.manual_axis_type.varying


def uses_raw_threefry() -> bool:
    """Returns whether `jax.random.PRNGKey` makes raw keys of the default generator."""
    config: Any = jax.config  # the options are not declared to type checkers
    return config.jax_default_prng_impl == "threefry2x32" and not config.jax_enable_custom_prng


def cuda_capability() -> tuple[int, int] | None:
    """Returns the compute capability of the NVIDIA GPU JAX computes on by default, or None."""
    config: Any = jax.config
    device = config.jax_default_device or jax.devices()[0]
    if isinstance(device, str):
        device = jax.devices(device)[0]
    # a GPU of another make has none, or a name such as "gfx942"
    found = re.fullmatch(r"(\d+)\.(\d+)", str(getattr(device, "compute_capability", None)))
    return None if found is None else (int(found[1]), int(found[2]))


def define_prng(name: str, key_words: int, random_bits: Callable[..., Any]) -> Any:
    """Returns a generator for typed keys that only draws bits; it cannot be seeded or split.

    Args:
        name: name of the generator.
        key_words: number of 32-bit words in a key.
        random_bits: `random_bits(words, bit_width, shape)` returns unsigned integers.
    """
    from jax.extend.random import define_prng_impl

    def never(*_: Any) -> Any:
        raise TypeError(f"keys of {name} make one draw; they are never seeded, split or folded in")

    return define_prng_impl(
        key_shape=(key_words,),
        seed=never,
        split=never,
        fold_in=never,
        random_bits=random_bits,
        name=name,
        tag="pax",
    )
