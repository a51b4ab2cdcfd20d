"""Gradients: those of the formula, and none of what is frozen."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

import pax
from tests.catalogue import LAYERS
from tests.catalogue_functions import FUNCTIONS
from tests.contracts.case import (
    Case,
    assert_same,
    built,
    cast,
    compiled,
    loss_of,
    one_of_each,
    over,
    weighted_sum,
)

#: Step of the finite differences. Their error is about step^4, and 1e-16 / step by rounding.
STEP = 3e-4


@over(LAYERS + FUNCTIONS, "gradient", "smooth")
def test_gradients_are_finite_differences(case: Case) -> None:
    module = built(case)
    with jax.enable_x64(True):
        inputs = case.inputs(dtype=np.float64)
        floats, loss = loss_of(case, cast(module, np.float64), inputs)
        shapes = [x.shape for x in floats]
        at = np.concatenate([np.ravel(x) for x in floats])
        offsets = STEP * np.eye(at.size)

        def of_vector(vector: jax.Array) -> jax.Array:
            parts = jnp.split(vector, np.cumsum([math.prod(shape) for shape in shapes])[:-1])
            return loss([x.reshape(s) for x, s in zip(parts, shapes, strict=True)])

        @jax.jit
        def run(at: jax.Array, points: jax.Array) -> tuple[jax.Array, jax.Array]:
            return jax.grad(of_vector)(at), jax.lax.map(of_vector, points)

        points = at + np.concatenate([offsets, -offsets, 2 * offsets, -2 * offsets])
        found, losses = jax.device_get(run(at, points))
    forth, back, far_forth, far_back = np.split(losses, 4)
    expected = (8 * (forth - back) - (far_forth - far_back)) / (12 * STEP)
    assert found.dtype == np.float64
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


@over(one_of_each(LAYERS))
def test_gradients_are_for_the_documented_parameters(case: Case) -> None:
    module, inputs = built(case), case.inputs()

    def loss(module: pax.Module) -> jax.Array:
        return jnp.asarray(weighted_sum(case.apply(module, *inputs)[1]))

    abstract = jax.eval_shape(pax.grad(loss), module)
    assert_same_shapes(abstract, module.parameters())
    frozen = pax.freeze_parameters(module)
    assert not jax.tree.leaves(jax.eval_shape(pax.grad(loss), frozen))
    _, output = jax.jit(case.apply)(frozen, *inputs)
    assert_same(output, compiled(case)(module, *inputs)[1], case.tolerance)
    assert pax.unfreeze_parameters(frozen, origin=module) == module


def assert_same_shapes(found: pax.Module, expected: pax.Module) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
