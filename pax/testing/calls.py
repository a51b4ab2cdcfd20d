"""The arguments of a check: a layer, and the inputs of one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pax._core import DtypeError, Module, purecall
from pax.testing.close import is_floating

#: Calls a layer compiled: `run(layer, *inputs) -> (layer as the call leaves it, output)`.
run = jax.jit(purecall)


def checked(check: str, layer: Any, inputs: Any) -> tuple[Any, ...]:
    """Returns the inputs as a tuple of trees of JAX arrays; raises if there is nothing to call."""
    if not isinstance(layer, Module):
        raise DtypeError(
            f"{check} got a layer of type {type(layer).__name__}; expected a module.",
            "wrap a function first: pax.Lambda(function).",
        )
    several = isinstance(inputs, tuple) and not hasattr(inputs, "_fields")
    given = inputs if several else (inputs,)
    for leaf in jax.tree.leaves(given):
        if not isinstance(leaf, (jax.Array, np.ndarray, np.generic)):
            raise DtypeError(
                f"{check} got inputs that hold a {type(leaf).__name__}; expected arrays.",
                "give the arguments of one call as a tuple of arrays, or a single array.",
            )
    return jax.tree.map(jnp.asarray, given)


def on_host(fn: Callable[..., Any], *trees: Any) -> Any:
    """Maps `fn` over trees in NumPy, which compiles nothing."""

    def of_leaves(*xs: Any) -> Any:
        if jnp.issubdtype(xs[0].dtype, jax.dtypes.prng_key):
            data = fn(*(np.asarray(jax.random.key_data(x)) for x in xs))
            return jax.random.wrap_key_data(jax.device_put(data), impl=jax.random.key_impl(xs[0]))
        return jax.device_put(fn(*map(np.asarray, xs)))

    return jax.tree.map(of_leaves, *trees)


def cast(tree: Any, dtype: Any) -> Any:
    """Returns the tree with its floating arrays in another dtype."""
    return on_host(lambda x: x.astype(dtype) if is_floating(x) else x, tree)


def stack(trees: Sequence[Any]) -> Any:
    """Returns trees as one, with a new first axis."""
    return on_host(lambda *xs: np.stack(xs), *trees)


def weighted_sum(tree: Any) -> jax.Array:
    """Returns the sum of the floating numbers of a tree, each times its own random weight."""
    total = jnp.zeros(())
    for i, x in enumerate(filter(is_floating, jax.tree.leaves(tree))):
        x = x if x.dtype == jnp.float64 else x.astype(jnp.float32)
        weights = np.random.default_rng([i, 1]).standard_normal(x.shape).astype(x.dtype)
        total = total.astype(x.dtype) + (x * weights).sum()
    return total
