"""Runs a layer beside a reference on random numbers: outputs and gradients, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pax

#: How far apart two float64 computations of one formula may be, absolutely and relatively.
TOLERANCE = 1e-10

#: Computes a layer: `reference(parameters by dotted path, *inputs) -> outputs`.
Reference = Callable[..., Any]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Returns random float64 numbers."""
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def call_itself(module: Any, *inputs: Any) -> Any:
    """Calls the module: what most tests do with it."""
    return module(*inputs)


def assert_like_torch(
    make: Callable[[], pax.Module],
    inputs: Sequence[np.ndarray],
    reference: Reference,
    call: Callable[..., Any] = call_itself,
) -> None:
    """Fails unless a layer equals a reference of torch tensors, its gradients too."""
    _assert_like(make, inputs, pax.testing.in_torch(_renamed(reference)), call)


def assert_like_jax(
    make: Callable[[], pax.Module],
    inputs: Sequence[np.ndarray],
    reference: Reference,
    call: Callable[..., Any] = call_itself,
) -> None:
    """Fails unless a layer equals a reference of JAX arrays, its gradients too."""
    _assert_like(make, inputs, _renamed(reference), call)


def assert_close(found: Any, expected: Any, tolerance: float = TOLERANCE) -> None:
    """Fails unless two trees have one structure and, at every leaf, close numbers."""
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for (path, x), y in zip(
        jax.tree_util.tree_leaves_with_path(found), jax.tree.leaves(expected), strict=True
    ):
        x, y = np.asarray(x), np.asarray(y)
        assert (x.shape, x.dtype) == (y.shape, y.dtype), jax.tree_util.keystr(path)
        message = jax.tree_util.keystr(path)
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance, err_msg=message)


def randomized(module: Any, seed: int = 1) -> Any:
    """Returns the module with random numbers in all of its trainable arrays."""
    parameters = jax.tree.map(
        lambda x: jnp.asarray(normal(*x.shape, seed=seed), x.dtype), module.parameters()
    )
    return module.update_parameters(parameters)


def named_parameters(module: Any) -> dict[str, np.ndarray]:
    """Returns the trainable arrays by dotted path."""
    found = jax.tree_util.tree_leaves_with_path(module.parameters())
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(x) for path, x in found
    }


class _Called(pax.Module):
    """A layer that is called in a way of its own."""

    def __init__(self, layer: pax.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.layer = layer
        self.function = function

    def __call__(self, *inputs: Any) -> Any:
        return self.function(self.layer, *inputs)


def _renamed(reference: Reference) -> Reference:
    """Returns the reference for a layer inside `_Called`."""

    def run(parameters: dict[str, Any], *inputs: Any) -> Any:
        return reference({k.removeprefix("layer."): v for k, v in parameters.items()}, *inputs)

    return run


def _assert_like(
    make: Callable[[], pax.Module],
    inputs: Sequence[np.ndarray],
    reference: Reference,
    call: Callable[..., Any],
) -> None:
    with jax.enable_x64(True):
        layer = _Called(make(), call)
    pax.testing.assert_matches(layer, reference, tuple(inputs), TOLERANCE)
