"""Arrays of one's own: copies that a step may donate, and that it compiles for once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from pax._core import is_tracing

T = TypeVar("T")

_NUMBERS = (np.ndarray, np.generic, bool, int, float, complex)


def strong(x: Any) -> Any:
    """Returns an array without the weak type that the first step would take away."""
    is_weak = isinstance(x, jax.Array) and jax.typeof(x).weak_type
    return jax.lax.convert_element_type(x, x.dtype) if is_weak else x


def own_arrays(tree: T, beside: Iterable[Any] = ()) -> T:
    """Returns the tree with a copy of each array; no program is compiled for that.

    Numbers become arrays. Shardings are kept; if one array was put on devices by its owner, the
    rest follows, replicated: a step would put them there, and the next one would compile anew. On
    a machine of one device everything is there to stay, for the same reason.

    Args:
        tree: any pytree.
        beside: arrays that these will stand beside, placed already.
    """
    leaves, treedef = jax.tree_util.tree_flatten(tree)
    if is_tracing():
        return treedef.unflatten(map(strong, leaves))
    places = [i for i, x in enumerate(leaves) if isinstance(x, (jax.Array, *_NUMBERS))]
    arrays = jax.device_put([_source(leaves[i]) for i in places], may_alias=False)
    everywhere = _everywhere([*arrays, *beside])
    for i, x in zip(places, arrays, strict=True):
        leaves[i] = x if everywhere is None or x.committed else jax.device_put(x, everywhere)
    return treedef.unflatten(leaves)


def _source(x: Any) -> Any:
    """Returns an array of JAX; memory of NumPy is copied, for JAX may use it as it is."""
    if isinstance(x, jax.Array):
        return strong(x)
    return jax.device_put(np.array(x, jnp.result_type(x)))


def _everywhere(arrays: list[Any]) -> Any:
    """Returns where arrays go that are on no devices in particular; None if anywhere will do."""
    for x in arrays:
        if getattr(x, "committed", False):
            mesh = x.sharding.mesh if isinstance(x.sharding, NamedSharding) else None
            return x.sharding if mesh is None else NamedSharding(mesh, PartitionSpec())
    return arrays[0].sharding if arrays and jax.device_count() == 1 else None
