"""What is compiled: named after the layers, and nothing for constant weights."""

from __future__ import annotations

import jax

from tests.catalogue import LAYERS
from tests.contracts.case import Case, built, compiled, key, over
from tests.counting import count_compilations


@over(LAYERS, "operations")
def test_operations_carry_the_name_of_the_layer(case: Case) -> None:
    scope = built(case).name or type(built(case)).__name__
    assert f"/{scope}/" in compiled(case).as_text()


@over(LAYERS, "free construction")
def test_constant_weights_compile_nothing(case: Case) -> None:
    # A precision that no other test asks for: nothing is compiled for it yet.
    with jax.default_matmul_precision("tensorfloat32"), count_compilations() as compilations:
        case.make(key())
    assert compilations.count == 0
