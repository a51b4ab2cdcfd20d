"""Gradients against finite differences."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pax._core import Module, purecall
from pax.testing.calls import cast, checked, weighted_sum
from pax.testing.close import CheckError, is_floating, paths

#: Step of the differences. Their error is about step^4, and 1e-16 / step by rounding.
_STEP = 3e-4
#: How many numbers are tried; of more, so many drawn at random.
_TRIED = 1000


def check_gradients(layer: Module, inputs: Any, tolerance: float = 1e-8) -> None:
    """Checks the gradients of a call against finite differences, in float64.

    The function is the sum of all outputs with random weights; its gradient is taken for the
    trainable arrays of the layer and for the floating inputs. Of more than 1,000 numbers, 1,000
    drawn at random are tried. Inputs where the layer has a kink, as relu at 0, have no such
    gradient: random numbers rarely lie there.

    Args:
        layer: the module.
        inputs: arguments of the call, a tuple of trees of arrays; or the only one, an array.
        tolerance: how far numbers may be apart, absolute and relative.
    Raises:
        CheckError: if the two differ, or are zero everywhere; it is an AssertionError.
    Example:
        >>> x = jax.random.normal(jax.random.key(0), (2, 3))
        >>> pax.testing.check_gradients(pax.Linear(3, 4), x)
    """
    inputs = checked("check_gradients", layer, inputs)
    with jax.enable_x64(True):
        layer, inputs = cast((layer, inputs), np.float64)
        given = {"parameters": layer.parameters(), "inputs": inputs}
        floats, of_floats = _function(layer, given)
        at = np.concatenate([np.ravel(x) for x in floats] or [np.zeros(0)])
        tried = _tried(at.size)
        offsets = np.zeros((len(tried), at.size))
        offsets[range(len(tried)), tried] = _STEP
        points = at + np.concatenate([offsets, -offsets, 2 * offsets, -2 * offsets])
        found, losses = jax.device_get(_run(of_floats)(at, points))
    forth, back, far_forth, far_back = np.split(losses, 4)
    expected = (8 * (forth - back) - (far_forth - far_back)) / (12 * _STEP)
    _check(layer, given, tried, found[tried], expected, tolerance)


def _function(layer: Module, given: Any) -> tuple[list[Any], Any]:
    """Returns the floating arrays, and the loss as a function of all their numbers in a row."""
    leaves, treedef = jax.tree.flatten(given)
    floats = [x for x in leaves if is_floating(x)]
    ends = np.cumsum([x.size for x in floats])[:-1]

    def of_floats(vector: jax.Array) -> jax.Array:
        parts = iter(jnp.split(vector, ends))
        merged = [next(parts).reshape(x.shape) if is_floating(x) else x for x in leaves]
        now = treedef.unflatten(merged)
        return weighted_sum(purecall(layer | now["parameters"], *now["inputs"])[1])

    return floats, of_floats


def _run(of_floats: Any) -> Any:
    return jax.jit(lambda at, points: (jax.grad(of_floats)(at), jax.lax.map(of_floats, points)))


def _tried(size: int) -> np.ndarray:
    """Returns the positions of the numbers to try."""
    if size <= _TRIED:
        return np.arange(size)
    return np.sort(np.random.default_rng(0).choice(size, _TRIED, replace=False))


def _check(
    layer: Module,
    given: Any,
    tried: np.ndarray,
    found: np.ndarray,
    expected: np.ndarray,
    tolerance: float,
) -> None:
    """Raises if gradients differ from the differences, with the path of the worst."""
    if not np.abs(expected).max(initial=0.0) > 1e-3:
        raise CheckError(
            f"check_gradients: the output of {layer!r} depends on none of its floating inputs "
            "and trainable arrays.",
            "give it inputs that matter, or leave this check out if there is no gradient.",
        )
    if np.allclose(found, expected, rtol=tolerance, atol=tolerance):
        return
    worst = int(np.nan_to_num(np.abs(found - expected), nan=np.inf).argmax())
    place = int(tried[worst])
    for path, x in zip(paths(given), jax.tree.leaves(given), strict=True):
        if not is_floating(x):
            continue
        if place < math.prod(x.shape):
            index = ", ".join(map(str, np.unravel_index(place, x.shape)))
            raise CheckError(
                f"check_gradients: {layer!r} has gradient {found[worst]} for {path}[{index}]; "
                f"finite differences give {expected[worst]}.",
                "look at custom gradients and jax.lax.stop_gradient in the layer; at a kink, try "
                "other inputs.",
            )
        place -= math.prod(x.shape)
