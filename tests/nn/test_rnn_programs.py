"""What is in the loop of the recurrent layer, and when the cell is stepped as it is."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

import pax
from tests.counting import count_compilations
from tests.nn.run import called
from tests.nn.sequences import (
    CELLS,
    assert_close,
    layer,
    normal,
    products,
    stepped,
    weighted,
)

#: For each cell: widths of the layers that see the input.
WIDTHS = {"VanillaRNN": [4], "LSTM": [16], "GRU": [8, 4]}


@pytest.mark.parametrize("name", CELLS)
def test_the_products_with_the_input_are_before_the_loop(name: str) -> None:
    cell, widths = CELLS[name](), WIDTHS[name]
    given = cell, normal(2, 6, 3), cell.initial_state(2)
    assert products(layer, *given) == {
        0: [(6 * 2, width) for width in widths],  # all steps
        1: [(2, width) for width in widths],  # of a step, with the state
    }


@pytest.mark.parametrize("name", CELLS)
def test_the_gradients_of_weights_are_products_after_the_loop(name: str) -> None:
    cell, widths = CELLS[name](), WIDTHS[name]
    given = cell, normal(2, 6, 3), cell.initial_state(2)
    step = jax.grad(lambda cell, x, state: weighted(layer(cell, x, state)))
    found = products(step, *given)
    # forward, the gradients of both parts of each weight, and no gradient of the input
    weights = [shape for width in widths for shape in [(3, width), (4, width)]]
    assert sorted(found[0]) == sorted(
        [(6 * 2, width) for width in widths] + [shape[::-1] for shape in weights]
    )
    # forward, and from the sums back to the state: nothing of the shape of a weight
    assert sorted(found[1]) == sorted([(2, width) for width in widths] + [(2, 4)] * len(widths))


def test_long_sequences_take_less_memory_than_stepping() -> None:
    cell = pax.LSTM(16, 16)
    given = cell, normal(32, 256, 16), cell.initial_state(32)

    def temporary_bytes(run: Any) -> int:
        step = jax.jit(jax.grad(lambda *given: (run(*given)[1] ** 2).sum()))
        return step.lower(*given).compile().memory_analysis().temp_size_in_bytes

    assert temporary_bytes(layer) < 0.8 * temporary_bytes(stepped)


def test_frozen_weights_cost_no_products() -> None:
    frozen = pax.freeze_parameters(pax.LSTM(3, 4))
    x, state = normal(2, 6, 3), frozen.initial_state(2)
    step = jax.jit(jax.grad(lambda x: weighted(layer(frozen, x, state))))
    # forward and backward, with the input and with the state
    assert step.lower(x).compile().as_text().count(" dot(") == 4


@pytest.mark.parametrize("time", [6, 384], ids=["one block", "three blocks"])
def test_a_step_is_traced_once_for_outputs_and_once_for_gradients(time: int) -> None:
    traces = 0

    class Counted(pax.GRU):
        input_layers = pax.GRU.input_layers

        def __call__(self, state: Any, x: Any) -> Any:
            nonlocal traces
            traces += 1
            return pax.GRU.__call__(self, state, x)

    rnn, x = pax.RNN(Counted(3, 4)), normal(8, time, 3)
    jax.eval_shape(rnn, x)
    assert traces == 1
    jax.eval_shape(jax.grad(lambda rnn: rnn(x)[1].sum()), rnn)
    assert traces == 2


def test_one_compilation() -> None:
    rnn, x = pax.RNN(pax.LSTM(3, 4)), normal(2, 6, 3)
    step = jax.jit(lambda rnn, x: jax.tree.map(
        lambda w, g: w - g, rnn, jax.grad(lambda rnn: weighted(rnn(x)))(rnn)
    ))  # fmt: skip
    rnn = step(rnn, x)
    rnn(x)
    with count_compilations() as compilations:
        for _ in range(10):
            rnn = step(rnn, x)
            rnn(x)  # eagerly as well
    assert compilations.count == 0


# -- when the cell is stepped as it is ---------------------------------------------------------

HALF = pax.Policy.parse("mixed_bfloat16")


class Doubled(pax.GRU):
    """A cell with a step of its own."""

    def __call__(self, state: Any, x: Any) -> Any:
        return pax.GRU.__call__(self, state, 2 * x)


class Scaled(pax.Linear):
    """A dense layer that is called in another way."""

    def __call__(self, x: Any) -> Any:
        return 3 * pax.Linear.__call__(self, x)


AS_THEY_ARE = {
    "another step": lambda: Doubled(3, 4),
    "a replaced step": lambda: pax.GRU(3, 4).replace_method(__call__=Doubled.__call__),
    "another layer": lambda: pax.LSTM(3, 4).replace(fc=Scaled(7, 16)),
    "a replaced call of a layer": lambda: pax.LSTM(3, 4).replace(
        fc=pax.Linear(7, 16).replace_method(__call__=Scaled.__call__)
    ),
    "several layers": lambda: pax.VanillaRNN(3, 4).replace(
        fc=pax.Sequential(pax.Linear(7, 5), jnp.sin, pax.Linear(5, 4))
    ),
    "a layer under a policy": lambda: pax.LSTM(3, 4).replace(
        fc=pax.apply_mp_policy(pax.Linear(7, 16), HALF)
    ),
    "a cell under a policy": lambda: pax.apply_mp_policy(pax.GRU(3, 4), HALF),
    "the default policy": lambda: pax.LSTM(3, 4).apply(pax.experimental.default_mp_policy),
}


QUICK = {"another step", "a replaced call of a layer", "several layers", "a cell under a policy"}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, make in AS_THEY_ARE.items()
    ],
)
def test_what_does_more_than_the_class_says_is_stepped_as_it_is(make: Any) -> None:
    cell = make()
    plain = next(make() for make in CELLS.values() if isinstance(cell, type(make())))
    given = normal(2, 5, 3), plain.initial_state(2)
    with jax.numpy_dtype_promotion("standard"):
        expected = jax.jit(stepped)(cell, *given)
        assert_close(called(pax.RNN(cell), *given), expected, 0.0)
        assert products(layer, cell, *given) == products(stepped, cell, *given)


def test_frozen_and_named_cells_are_not_others() -> None:
    cell = pax.freeze_parameters(pax.LSTM(3, 4, name="memory")).eval()
    given = cell, normal(2, 5, 3), cell.initial_state(2)
    assert products(layer, *given) == {0: [(5 * 2, 16)], 1: [(2, 16)]}
