"""The recurrent layer gives what stepping the cell gives."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.run import called
from tests.nn.sequences import (
    GRU_FIRST,
    OVER_CELLS,
    assert_close,
    layer,
    normal,
    random_state,
    randomized,
    stepped,
    weighted,
    with_gradients,
)


@GRU_FIRST
@pytest.mark.parametrize(
    "time",
    [
        pytest.param(5, id="one block", marks=pytest.mark.slow),
        pytest.param(384, id="three blocks"),
        pytest.param(257, id="prime", marks=pytest.mark.slow),
    ],
)
def test_equals_stepping_the_cell_gradients_too(make: Any, time: int) -> None:
    with jax.enable_x64(True):
        cell = randomized(make(), np.float64)
        given = cell, normal(8, time, 3, dtype=np.float64), random_state(cell, 8, dtype=np.float64)
        assert_close(with_gradients(layer)(*given), with_gradients(stepped)(*given), 1e-12)


@GRU_FIRST
def test_equals_stepping_the_cell_in_float32(make: Any) -> None:
    cell = randomized(make())
    given = cell, normal(2, 6, 3), random_state(cell, 2)
    assert_close(with_gradients(layer)(*given), with_gradients(stepped)(*given), 1e-6)


@pytest.mark.slow
@OVER_CELLS
def test_bfloat16(make: Any) -> None:
    cell = randomized(make())
    given = cell, normal(2, 6, 3), random_state(cell, 2)
    half = jax.tree.map(lambda x: x.astype(jnp.bfloat16), given)
    found, expected = (with_gradients(layer)(*xs) for xs in (half, given))
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert x.dtype == jnp.bfloat16
        error = jnp.abs(x.astype(jnp.float32) - y).max()
        assert 0 < error < 2.0**-5 * max(1.0, float(jnp.abs(y).max()))


@OVER_CELLS
def test_the_default_state_is_zero_and_has_the_dtype_of_the_weights(make: Any) -> None:
    cell = randomized(make())
    zeros = cell.initial_state(2)
    assert_close(pax.RNN(cell).initial_state(2), zeros, 0.0)
    rnn, x = pax.RNN(cell), normal(2, 3, 3)
    assert_close(called(rnn, x), called(rnn, x, zeros), 0.0)


@OVER_CELLS
@pytest.mark.parametrize(("batch", "time"), [(0, 3), (2, 0), (1, 1), (0, 0)])
def test_edge_shapes(make: Any, batch: int, time: int) -> None:
    cell = randomized(make())
    given = random_state(cell, batch)
    state, y = called(pax.RNN(cell), normal(batch, time, 3), given)
    assert y.shape == (batch, time, 4)
    assert_close(
        state, given if time == 0 else stepped(cell, normal(batch, time, 3), given)[0], 1e-6
    )


@GRU_FIRST
def test_more_batch_axes_with_a_state_of_the_same(make: Any) -> None:
    cell, x = randomized(make()), normal(2, 5, 3, 3)
    given = random_state(cell, 2, 3)
    assert_close(called(pax.RNN(cell), x, given), stepped(cell, x, given), 1e-6)


@pytest.mark.slow
@OVER_CELLS
def test_other_derivatives(make: Any) -> None:
    with jax.enable_x64(True):
        cell = randomized(make(), np.float64)
        given = cell, normal(1, 3, 3, dtype=np.float64), random_state(cell, 1, dtype=np.float64)
        tangents = jax.tree.map(lambda x: normal(*x.shape, seed=3, dtype=x.dtype), given)

        def derivatives(run: Any) -> Any:
            def forward(*arguments: Any) -> Any:
                return jax.jvp(run, arguments, tangents)[1]

            def slope(*arguments: Any) -> Any:
                return weighted(jax.grad(lambda *xs: weighted(run(*xs)), (0, 1, 2))(*arguments))

            second = jax.grad(slope, (0, 1, 2))(*given)
            return forward(*given), second

        found, expected = (jax.jit(derivatives, static_argnums=0)(run) for run in (layer, stepped))
        assert_close(found, expected, 1e-12)


@pytest.mark.slow
@OVER_CELLS
def test_many_cells_at_once(make: Any) -> None:
    cells = [randomized(make()), make()]
    both = jax.tree.map(lambda *xs: jnp.stack(xs), *cells)
    given = normal(2, 6, 3), random_state(cells[0], 2)
    found = jax.jit(jax.vmap(layer, (0, None, None)))(both, *given)
    for i, cell in enumerate(cells):
        assert_close(jax.tree.map(lambda x, i=i: x[i], found), stepped(cell, *given), 1e-6)
