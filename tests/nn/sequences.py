"""Sequences through recurrent cells, by the layer and by steps; the products that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax

CELLS = {
    "VanillaRNN": lambda: pax.VanillaRNN(3, 4),
    "LSTM": lambda: pax.LSTM(3, 4, forget_gate_bias=1.0),
    "GRU": lambda: pax.GRU(3, 4),
}
OVER_CELLS = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
#: The quick tests take the cell with two layers; what it takes to compile is what a test costs.
GRU_FIRST = pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=name, marks=[pytest.mark.slow] if name != "GRU" else [])
        for name, make in CELLS.items()
    ],
)


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
