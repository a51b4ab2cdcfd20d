"""The recurrent layer: what stepping the cell gives, with fewer products in the loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.counting import count_compilations
from tests.nn.bad import Bad, each
from tests.nn.run import called

CELLS = {
    "VanillaRNN": lambda: pax.VanillaRNN(3, 4),
    "LSTM": lambda: pax.LSTM(3, 4, forget_gate_bias=1.0),
    "GRU": lambda: pax.GRU(3, 4),
}
OVER_CELLS = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)


def normal(*shape: int, seed: int = 0, dtype: Any = np.float32) -> Any:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def randomized(module: Any, dtype: Any = np.float32) -> Any:
    """Returns the module with random arrays, of half the size that would keep a variance."""
    leaves, treedef = jax.tree.flatten(module)
    return treedef.unflatten(
        [normal(*x.shape, seed=i, dtype=dtype) / 4 for i, x in enumerate(leaves)]
    )


def stepped(cell: Any, x: Any, state: Any) -> Any:
    """Steps the cell: what the layer must equal."""
    return pax.scan(cell, state, x, time_major=False)


def layer(cell: Any, x: Any, state: Any) -> Any:
    return pax.RNN(cell)(x, state)


def random_state(cell: Any, *batch: int, dtype: Any = np.float32) -> Any:
    zeros = cell.initial_state(1)
    return type(zeros)(*[normal(*batch, 4, seed=7 + i, dtype=dtype) for i in range(len(zeros))])


def weighted(tree: Any) -> Any:
    """Returns a scalar that depends on every number of a tree."""
    leaves = enumerate(jax.tree.leaves(tree))
    return sum((x * normal(*x.shape, seed=i, dtype=x.dtype)).sum() for i, x in leaves)


def with_gradients(run: Any) -> Any:
    """Returns outputs of `run(cell, x, state)` and the gradients of all its arguments."""

    def loss(*arguments: Any) -> Any:
        out = run(*arguments)
        return weighted(out), out

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))


def assert_close(found: Any, expected: Any, tolerance: float) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        scale = max(1.0, np.abs(y).max(initial=0.0))
        np.testing.assert_allclose(x, y, rtol=0, atol=tolerance * scale)


@OVER_CELLS
@pytest.mark.parametrize("time", [5, 384, 257], ids=["one block", "three blocks", "prime"])
def test_equals_stepping_the_cell_gradients_too(make: Any, time: int) -> None:
    with jax.enable_x64(True):
        cell = randomized(make(), np.float64)
        given = cell, normal(8, time, 3, dtype=np.float64), random_state(cell, 8, dtype=np.float64)
        assert_close(with_gradients(layer)(*given), with_gradients(stepped)(*given), 1e-12)


@OVER_CELLS
def test_equals_stepping_the_cell_in_float32(make: Any) -> None:
    cell = randomized(make())
    given = cell, normal(2, 6, 3), random_state(cell, 2)
    assert_close(with_gradients(layer)(*given), with_gradients(stepped)(*given), 1e-6)


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
    assert_close(state, given if time == 0 else stepped(cell, normal(batch, time, 3), given)[0], 1e-6)


@OVER_CELLS
def test_more_batch_axes_with_a_state_of_the_same(make: Any) -> None:
    cell, x = randomized(make()), normal(2, 5, 3, 3)
    given = random_state(cell, 2, 3)
    assert_close(called(pax.RNN(cell), x, given), stepped(cell, x, given), 1e-6)


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


@OVER_CELLS
def test_many_cells_at_once(make: Any) -> None:
    cells = [randomized(make()), make()]
    both = jax.tree.map(lambda *xs: jnp.stack(xs), *cells)
    given = normal(2, 6, 3), random_state(cells[0], 2)
    found = jax.jit(jax.vmap(layer, (0, None, None)))(both, *given)
    for i, cell in enumerate(cells):
        assert_close(jax.tree.map(lambda x, i=i: x[i], found), stepped(cell, *given), 1e-6)


# -- what is in the loop -----------------------------------------------------------------------


def equations(jaxpr: Any, inside: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields the equations of a program, each with the loops that it is in."""
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        yield inside, equation
        for parameter in equation.params.values():
            inner = getattr(parameter, "jaxpr", parameter)
            if hasattr(inner, "eqns"):
                yield from equations(inner, (*inside, name) if name == "scan" else inside)


def products(run: Any, *given: Any) -> dict[int, list[tuple[int, ...]]]:
    """Returns the shapes of the products of matrices, by the number of loops around them."""
    found: dict[int, list[tuple[int, ...]]] = {}
    for inside, equation in equations(jax.make_jaxpr(run)(*given).jaxpr):
        if equation.primitive.name == "dot_general":
            found.setdefault(len(inside), []).append(equation.outvars[0].aval.shape)
    return found


#: For each cell: widths of the layers that see the input.
WIDTHS = {"VanillaRNN": [4], "LSTM": [16], "GRU": [8, 4]}


@pytest.mark.parametrize("name", CELLS)
def test_the_products_with_the_input_are_before_the_loop(name: str) -> None:
    cell, widths = CELLS[name](), WIDTHS[name]
    given = cell, normal(2, 6, 3), cell.initial_state(2)
    assert products(layer, *given) == {
        0: [(6, 2, width) for width in widths],  # all steps
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
        [(6, 2, width) for width in widths] + [shape[::-1] for shape in weights]
    )
    # forward, and from the sums back to the state: nothing of the shape of a weight
    assert sorted(found[1]) == sorted([(2, width) for width in widths] + [(2, 4)] * len(widths))


def test_long_sequences_take_less_memory_than_stepping() -> None:
    cell = pax.LSTM(16, 16)
    given = cell, normal(32, 256, 16), cell.initial_state(32)
    found, expected = (
        jax.jit(jax.grad(lambda *xs, run=run: weighted(run(*xs)[1])))
        .lower(*given).compile().memory_analysis().temp_size_in_bytes
        for run in (layer, stepped)
    )  # fmt: skip
    assert found < 0.8 * expected


def test_frozen_weights_cost_no_products() -> None:
    frozen = pax.freeze_parameters(pax.LSTM(3, 4))
    x, state = normal(2, 6, 3), frozen.initial_state(2)
    step = jax.jit(jax.grad(lambda x: weighted(layer(frozen, x, state))))
    stepping = jax.jit(jax.grad(lambda x: weighted(stepped(frozen, x, state))))
    assert_close(step(x), stepping(x), 1e-6)
    assert not jax.tree.leaves(pax.grad(lambda m: weighted(layer(m, x, state)))(frozen))


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
        return super().__call__(state, 2 * x)


class Scaled(pax.Linear):
    """A dense layer that is called in another way."""

    def __call__(self, x: Any) -> Any:
        return 3 * super().__call__(x)


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


@pytest.mark.parametrize("make", AS_THEY_ARE.values(), ids=AS_THEY_ARE)
def test_what_does_more_than_the_class_says_is_stepped_as_it_is(make: Any) -> None:
    cell = make()
    given = normal(2, 5, 3), cell.initial_state(2)
    with jax.numpy_dtype_promotion("standard"):
        expected = jax.jit(stepped)(cell, *given)
        assert_close(called(pax.RNN(cell), *given), expected, 0.0)
        assert products(layer, cell, *given) == products(stepped, cell, *given)


def test_frozen_and_named_cells_are_not_others() -> None:
    cell = pax.freeze_parameters(pax.LSTM(3, 4, name="memory")).eval()
    given = cell, normal(2, 5, 3), cell.initial_state(2)
    assert products(layer, *given) == {0: [(5, 2, 16)], 1: [(2, 16)]}


# -- cells of one's own --------------------------------------------------------------------------


class Sums(pax.Module):
    """A cell without weights; its state is a dict, its output a pair."""

    def initial_state(self, batch_size: int) -> Any:
        return {"sum": jnp.zeros((batch_size, 3)), "steps": jnp.array(0)}

    def __call__(self, state: Any, x: Any) -> Any:
        state = {"sum": state["sum"] + x, "steps": state["steps"] + 1}
        return state, (state["sum"], x)


class Gated(pax.ParameterModule):
    """A cell that says what its layer sees, and has an array besides."""

    input_layers = ("fc",)

    def __init__(self) -> None:
        super().__init__()
        self.fc = pax.Linear(3 + 4, 4)
        self.leak = normal(4)

    def initial_state(self, batch_size: int) -> Any:
        return jnp.zeros((batch_size, 4))

    def __call__(self, state: Any, x: Any) -> Any:
        state = jnp.tanh(self.fc(jnp.concatenate([x, state], -1))) + self.leak[None] * state
        return state, 2 * state


def test_any_module_with_the_two_methods() -> None:
    x = normal(2, 5, 3)
    state, (sums, same) = called(pax.RNN(Sums()), x)
    np.testing.assert_allclose(sums, np.cumsum(x, axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(state["sum"], sums[:, -1])
    assert state["steps"] == 5


def test_a_cell_that_says_what_its_layers_see() -> None:
    cell = Gated()
    given = cell, normal(2, 5, 3), normal(2, 4)
    assert products(layer, *given) == {0: [(5, 2, 4)], 1: [(2, 4)]}
    assert_close(with_gradients(layer)(*given), with_gradients(stepped)(*given), 1e-6)


def test_a_cell_that_uses_the_input_besides_finds_no_numbers() -> None:
    class Residual(Gated):
        input_layers = ("fc",)

        def __call__(self, state: Any, x: Any) -> Any:
            state, y = super().__call__(state, x)
            return state, y + x[:, :1]

    assert np.isnan(called(pax.RNN(Residual()), normal(2, 5, 3))[1]).all()


class Twice(Gated):
    input_layers = ("fc",)

    def __call__(self, state: Any, x: Any) -> Any:
        return super().__call__(super().__call__(state, x)[0], x)


class Never(Gated):
    input_layers = ("fc",)

    def __call__(self, state: Any, x: Any) -> Any:
        return state, state


class Growing(Sums):
    def __call__(self, state: Any, x: Any) -> Any:
        return {**state, "sum": jnp.append(state["sum"], x, axis=-1)}, x


class Alone(Sums):
    def __call__(self, state: Any, x: Any) -> Any:
        return state["sum"]
