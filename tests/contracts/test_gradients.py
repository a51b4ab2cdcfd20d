"""Gradients: those of the formula, and none of what is frozen."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import pax
from tests.catalogue import LAYERS
from tests.catalogue_functions import FUNCTIONS
from tests.contracts.case import (
    Case,
    assert_same,
    built,
    compiled,
    one_of_each,
    over,
    subject,
    weighted_sum,
)


@over(LAYERS + FUNCTIONS, "gradient", "smooth", quick=one_of_each(LAYERS + FUNCTIONS))
def test_gradients_are_finite_differences(case: Case) -> None:
    pax.testing.check_gradients(subject(case), case.inputs())


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
