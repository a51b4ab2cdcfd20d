"""A call: compiled or not, pure or not, whatever the size of the batch."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import pax
from tests.catalogue import LAYERS
from tests.catalogue_functions import FUNCTIONS
from tests.contracts.case import (
    Case,
    assert_finite,
    assert_same,
    built,
    call_itself,
    compiled,
    loss_of,
    on_host,
    over,
    paths,
    subject,
)


@over(LAYERS + FUNCTIONS)
def test_compiled_equals_eager(case: Case) -> None:
    assert_finite(compiled(case)(built(case), *case.inputs()))
    pax.testing.check_jit(subject(case), case.inputs(), case.tolerance)


@over(LAYERS)
def test_the_modules_of_the_caller_stay_as_they_are(case: Case) -> None:
    pax.testing.check_purity(subject(case), case.inputs())


@over(LAYERS)
def test_a_call_changes_the_state_and_nothing_else(case: Case) -> None:
    before = built(case)
    after, _ = compiled(case)(before, *case.inputs())
    changed = {
        path
        for path, x, y in zip(
            paths(before), jax.tree.leaves(before), jax.tree.leaves(after), strict=True
        )
        if not np.array_equal(x, y)
    }
    assert changed == (set(case.state.split()) if case.changes else set())


@over([case for case in LAYERS if case.changes])
def test_a_change_outside_pure_is_refused(case: Case) -> None:
    class Net(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [jax.nn.relu, built(case).copy()]

        def __call__(self, *inputs: Any) -> Any:
            return case.call(self.layers[1], *inputs)

    with pytest.raises(pax.PurityError, match=r"outside `pax\.pure`") as raised:
        Net()(*case.inputs())
    if case.call is call_itself:
        assert f"{raised.value.path}.".startswith("model.layers.1.")


@over(LAYERS + FUNCTIONS, "rows")
def test_a_row_of_the_batch_stands_alone(case: Case) -> None:
    module, inputs = built(case), case.inputs()
    _, of_all = compiled(case)(module, *inputs)
    _, of_one = jax.jit(case.apply)(module, *on_host(lambda x: x[1:2], inputs))
    assert_same(of_one, on_host(lambda x: x[1:2], of_all), case.tolerance)


@over(LAYERS + FUNCTIONS, "empty")
def test_an_empty_batch_goes_through(case: Case) -> None:
    module, empty = built(case), case.inputs(batch=0)
    _, output = compiled(case)(module, *case.inputs())

    def run(floats: list[jax.Array]) -> tuple[jax.Array, jax.Array]:
        return loss(floats), case.apply(module, *empty)[1]

    floats, loss = loss_of(case, module, empty)
    gradients, found = jax.jit(jax.grad(run, has_aux=True))(floats)
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(output), strict=True):
        assert (x.shape, x.dtype) == ((0, *y.shape[1:]), y.dtype)
    assert not any(np.any(gradient) for gradient in gradients)
