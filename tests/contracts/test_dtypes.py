"""Dtypes: kept, computed well in half precision, and safe at the ends of their range."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.catalogue import LAYERS
from tests.catalogue_functions import FUNCTIONS
from tests.contracts.case import (
    Case,
    assert_finite,
    built,
    cast,
    compiled,
    compiled_gradient,
    is_floating,
    loss_of,
    on_host,
    one_of_each,
    over,
    subject,
)


@over(LAYERS + FUNCTIONS, "dtype")
def test_dtype_is_kept(case: Case) -> None:
    pax.testing.check_dtypes(subject(case), case.inputs())


@over(LAYERS)
def test_under_a_policy_state_is_float32_and_outputs_are_bfloat16(case: Case) -> None:
    policy = pax.Policy(jnp.float32, jnp.bfloat16, jnp.bfloat16)
    module = built(case).apply(lambda m: pax.apply_mp_policy(m, policy))
    after, output = jax.eval_shape(case.apply, module, *case.inputs())
    pax.assert_structure_equal(after, module)
    for x, y in zip(jax.tree.leaves(module), jax.tree.leaves(after), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
    assert {x.dtype for x in jax.tree.leaves(output) if is_floating(x)} <= {jnp.dtype(jnp.bfloat16)}
    assert module.apply(pax.unwrap_mp_policy) == built(case)


@over(one_of_each(LAYERS + FUNCTIONS), "gradient")
def test_half_precision_is_the_rounded_result(case: Case) -> None:
    module, inputs = cast(built(case), jnp.bfloat16), case.inputs(dtype=jnp.bfloat16)
    _, found = jax.jit(case.apply)(module, *inputs)
    _, expected = compiled(case)(cast(module, jnp.float32), *cast(inputs, jnp.float32))
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        y = np.asarray(y)
        error = np.abs(np.asarray(x, np.float32) - y).max()
        assert error <= 4 * float(jnp.finfo(jnp.bfloat16).eps) * max(1.0, np.abs(y).max())


@pytest.mark.slow
@over(one_of_each(LAYERS + FUNCTIONS), "large")
def test_large_inputs_have_finite_outputs_and_gradients(case: Case) -> None:
    inputs = on_host(lambda x: x + np.float32(1e4) if is_floating(x) else x, case.inputs())
    assert_finite(compiled_gradient(case)(loss_of(case, built(case), inputs)[0]))


@over(one_of_each(LAYERS + FUNCTIONS), "huge")
def test_float16_does_not_overflow_on_the_way(case: Case) -> None:
    inputs = on_host(
        lambda x: np.where(x > 0, x.dtype.type(6e4), x.dtype.type(-6e4)) if is_floating(x) else x,
        case.inputs(dtype=jnp.float16),
    )
    _, output = jax.jit(case.apply)(cast(built(case), jnp.float16), *inputs)
    assert_finite(output)
