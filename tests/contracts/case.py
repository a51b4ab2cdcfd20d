"""What one row of the catalogue is, and how a contract runs it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax.testing.calls import cast as cast
from pax.testing.calls import on_host as on_host
from pax.testing.calls import run
from pax.testing.calls import stack as stack
from pax.testing.calls import weighted_sum as weighted_sum
from pax.testing.close import check_close
from pax.testing.close import is_floating as is_floating
from pax.testing.close import paths as paths
from tests.optimization import USUAL, optimization

#: Draws the arguments of one call: `draw(generator, dtype, batch_size) -> (x, ...)`.
Draw = Callable[[np.random.Generator, Any, int], tuple[Any, ...]]

#: The contracts that a row may be left out of, by name; all others hold for every row.
CONTRACTS = {
    "rows": "what comes out for one row of the batch depends on that row alone",
    "empty": "a batch without rows goes in and comes out",
    "dtype": "floating outputs have the dtype of the inputs",
    "gradient": "the output is floating and depends on floating inputs or parameters",
    "smooth": "the output has no kinks, so that finite differences tell its gradient",
    "operations": "a call compiles to something",
    "pickle": "after pickle and deepcopy the static attributes are equal to what they were",
    "still": "in evaluation mode a call changes nothing",
    "large": "inputs around 1e4 in float32 give finite outputs and gradients",
    "huge": "inputs near the largest float16 give finite outputs in float16",
    "free construction": "the constructor compiles nothing",
}


def call_itself(module: Any, *inputs: Any) -> Any:
    """Calls the module: what most rows do with it."""
    return module(*inputs)


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One row: one way to build and call a layer, or to call a function.

    Args:
        name: public name, below `pax`.
        variant: what is special about this row; a few words.
        make: builds the module from a random key.
        draw: draws the arguments of a call.
        parameters: paths of the trainable arrays, separated by spaces.
        state: paths of all other arrays.
        changes: whether a call changes the state (all of it), and so needs `pax.pure`.
        call: how the module is called.
        tolerance: how far float32 results may be from each other, absolute and relative.
        without: contracts that do not apply, each with the reason.
        slow: whether `make test-all` alone runs the contracts: another row of the quick ones has
            the same arithmetic, as of a layer over one axis more.
    """

    name: str
    variant: str
    make: Callable[[Any], pax.Module]
    draw: Draw
    parameters: str = ""
    state: str = ""
    changes: bool = False
    call: Callable[..., Any] = call_itself
    tolerance: float = 1e-5
    without: Mapping[str, str] = dataclasses.field(default_factory=dict)
    slow: bool = False

    def __post_init__(self) -> None:
        unknown = set(self.without) - set(CONTRACTS)
        assert not unknown, f"{self}: no such contract: {unknown}"

    def __str__(self) -> str:
        return f"{self.name}, {self.variant}" if self.variant else self.name

    def apply(self, module: Any, *inputs: Any) -> tuple[Any, Any]:
        """Returns the module as the call leaves it, and the output."""
        if self.changes:
            return pax.pure(lambda m, *xs: (m, self.call(m, *xs)))(module, *inputs)
        return module, self.call(module, *inputs)

    def inputs(self, seed: int = 0, dtype: Any = jnp.float32, batch: int = 3) -> tuple[Any, ...]:
        """Returns random arguments of a call, the same for the same seed."""
        return self.draw(np.random.default_rng(seed), dtype, batch)


def over(
    cases: Sequence[Case], *contracts: str, quick: Sequence[Case] | None = None
) -> pytest.MarkDecorator:
    """Runs a test once for each row that these contracts apply to.

    `make test` runs it for the `quick` rows alone, where not all are, and never for slow ones.
    """
    assert set(contracts) <= set(CONTRACTS)
    quick = cases if quick is None else quick
    chosen = [
        pytest.param(case, marks=pytest.mark.slow if case.slow or case not in quick else ())
        for case in cases
        if not set(contracts) & set(case.without)
    ]
    return pytest.mark.parametrize("case", chosen, ids=str)


def one_of_each(cases: Sequence[Case]) -> list[Case]:
    """Returns the first row of each layer, in each mode and with each number of arguments."""
    kinds: dict[Any, Case] = {}
    for case in cases:
        kinds.setdefault((case.name, case.changes, len(case.inputs())), case)
    return list(kinds.values())


def key(seed: int = 0) -> jax.Array:
    """Returns a random key."""
    return jax.device_put(np.array([0, seed], np.uint32))


@functools.cache
def built(case: Case) -> Any:
    """Returns the module of a row, the same one each time, in float32."""
    with jax.enable_x64(False):
        return case.make(key(0))


@functools.cache
def subject(case: Case) -> Any:
    """Returns the module of a row as `pax.testing` takes it: one that is called."""
    return built(case) if case.call is call_itself else _Called(built(case), case.call)


class _Called(pax.Module):
    """A module whose call is a method of another one."""

    def __init__(self, module: pax.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.module = module
        self.function = function

    def __call__(self, *inputs: Any) -> Any:
        return self.function(self.module, *inputs)


@functools.cache
def compiled(case: Case) -> Any:
    """Returns `case.apply` compiled as usual: what everything else is compared with."""
    # `run` is what the checks of `pax.testing` call: one compilation for them and for the others
    call = run if case.call is call_itself else jax.jit(case.apply)
    with optimization(USUAL):
        return call.lower(built(case), *case.inputs()).compile()


@functools.cache
def compiled_gradient(case: Case) -> Any:
    """Returns value and gradient of the loss of `loss_of`, compiled: `f(floats)`."""
    floats, loss = loss_of(case, built(case), case.inputs())
    return jax.jit(jax.value_and_grad(loss)).lower(floats).compile()


def unstack(tree: Any, n: int) -> list[Any]:
    """Returns the parts of a tree along the first axis."""
    return [on_host(lambda x, i=i: x[i], tree) for i in range(n)]


def assert_same(found: Any, expected: Any, tolerance: float = 0.0) -> None:
    """Fails unless two trees have one structure, dtypes, shapes, and values this close."""
    check_close("a contract", "mend the layer.", found, expected, tolerance)


def assert_finite(tree: Any) -> None:
    """Fails unless every number of the tree is finite."""
    for path, x in zip(paths(tree), jax.tree.leaves(tree), strict=True):
        assert np.isfinite(_wide(x)).all(), path


def _wide(x: Any) -> np.ndarray:
    """Returns an array in a dtype that NumPy compares without surprises."""
    return np.asarray(x).astype(np.float64) if is_floating(x) else np.asarray(x)


def loss_of(case: Case, module: Any, inputs: Any) -> tuple[list[Any], Callable[..., Any]]:
    """Returns the floating parameters and inputs, and a scalar function of them.

    The function is a sum of all outputs with fixed random weights.
    """
    leaves, treedef = jax.tree.flatten((module.parameters(), inputs))
    floating = [is_floating(x) for x in leaves]

    def loss(floats: list[Any]) -> Any:
        given = iter(floats)
        merged = [next(given) if f else x for f, x in zip(floating, leaves, strict=True)]
        parameters, xs = treedef.unflatten(merged)
        return weighted_sum(case.apply(module | parameters, *xs)[1])

    return [x for f, x in zip(floating, leaves, strict=True) if f], loss
