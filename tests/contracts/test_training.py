"""Ten training steps are one compiled program."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pax
from tests.catalogue import LAYERS
from tests.contracts.case import Case, assert_finite, built, one_of_each, over, weighted_sum


@over(one_of_each(LAYERS), quick=[case for case in LAYERS if case.parameters or case.changes])
def test_ten_steps_are_traced_once(case: Case) -> None:
    traces = 0

    def loss_fn(model: Any, *inputs: Any) -> Any:
        model, output = case.apply(model, *inputs)
        return jnp.asarray(weighted_sum(jax.tree.map(jnp.square, output))), model

    @jax.jit
    def step(model: Any, *inputs: Any) -> Any:
        nonlocal traces
        traces += 1
        (loss, model), grads = pax.value_and_grad(loss_fn, has_aux=True)(model, *inputs)
        params = jax.tree.map(lambda p, g: p - 1e-3 * g, model.parameters(), grads)
        return model.update_parameters(params), loss

    model = built(case)
    for seed in range(10):
        model, loss = step(model, *case.inputs(seed))
        assert np.isfinite(loss)
    assert traces == 1
    assert_finite(model)
    for before, after in zip(
        jax.tree.leaves(built(case).parameters()), jax.tree.leaves(model.parameters()), strict=True
    ):
        assert (before != after).any()
