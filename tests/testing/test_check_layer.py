"""Each check finds the fault that it is for, and names the place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax

X = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)


class Scale(pax.ParameterModule):
    """A layer that is right, or has one fault: a function of the layer and its input."""

    def __init__(self, fault: Callable[..., Any] | None = None) -> None:
        super().__init__()
        self.weight = jnp.asarray([1.0, 2.0, 3.0])
        self.fault = fault

    def __call__(self, x: Any) -> Any:
        return self.fault(self, x) if self.fault else x * self.weight[None]


def fails(check: Callable[..., None], layer: pax.Module, inputs: Any = X) -> str:
    """Returns the message of a check that does not hold."""
    with pytest.raises(pax.testing.CheckError) as error:
        check(layer, inputs)
    assert isinstance(error.value, AssertionError)
    return str(error.value)


@pytest.mark.parametrize("inputs", [X, jnp.asarray(X), (X,)], ids=["numpy", "jax", "tuple"])
def test_a_layer_that_is_right(inputs: Any) -> None:
    pax.testing.check_layer(Scale(), inputs)


@pytest.mark.parametrize(
    "make",
    [lambda: pax.Dropout(0.5), lambda: pax.BatchNorm1D(3), lambda: pax.BatchNorm1D(3).eval()],
    ids=["dropout", "batch norm", "eval"],
)
def test_layers_with_state(make: Callable[[], pax.Module]) -> None:
    pax.testing.check_layer(make(), np.random.default_rng(0).standard_normal((4, 2, 3)))


def test_several_inputs_with_trees_and_integers() -> None:
    cell = pax.LSTM(3, 4)
    pax.testing.check_layer(cell, (cell.initial_state(2), X))
    pax.testing.check_layer(pax.Embed(5, 3), np.array([[0, 4], [2, 2]]))


def test_jit() -> None:
    def branch(layer: Any, x: Any) -> Any:
        return x if isinstance(x, jax.core.Tracer) else x + 1

    assert fails(pax.testing.check_jit, Scale(branch)).startswith(
        f"check_jit: {Scale(branch)!r} under jax.jit: 1 differs in 6 of 6 numbers, most at 1["
    )


def test_vmap() -> None:
    calls = 0

    def counts(layer: Any, x: Any) -> Any:
        nonlocal calls
        calls += 1
        return x + calls

    assert "under jax.vmap: 1 differs in" in fails(pax.testing.check_vmap, Scale(counts))


def test_gradients() -> None:
    @jax.custom_jvp
    def double(x: jax.Array) -> jax.Array:
        return 2 * x

    @double.defjvp
    def double_jvp(primals: Any, tangents: Any) -> Any:
        return double(*primals), tangents[0].at[1, 2].mul(3.0)

    text = fails(pax.testing.check_gradients, Scale(lambda layer, x: double(x)))
    assert "has gradient " in text
    assert " for inputs.0[" in text
    stopped = Scale(lambda layer, x: jax.lax.stop_gradient(x))
    assert "has gradient 0.0 for inputs.0[" in fails(pax.testing.check_gradients, stopped)
    constant = Scale(lambda layer, x: jnp.zeros_like(x))
    assert fails(pax.testing.check_gradients, constant) == (
        f"check_gradients: the output of {constant!r} depends on none of its floating inputs and "
        "trainable arrays.\n"
        "  fix: give it inputs that matter, or leave this check out if there is no gradient."
    )


def test_gradients_of_many_numbers() -> None:
    pax.testing.check_gradients(pax.Linear(40, 30), np.random.default_rng(0).random((2, 40)))


def test_dtypes() -> None:
    wide = Scale(lambda layer, x: x.astype(jnp.float32))
    assert fails(pax.testing.check_dtypes, wide) == (
        f"check_dtypes: {wide!r} gives float32 for arrays of bfloat16.\n"
        "  fix: make constants with the dtype of the input, and end with y.astype(x.dtype) where "
        "sums are made in float32."
    )


def test_dtypes_of_state() -> None:
    class Widens(pax.StateModule):
        def __init__(self) -> None:
            super().__init__()
            self.mean = jnp.zeros(3)

        def __call__(self, x: Any) -> Any:
            self.mean = x.mean(0, dtype=jnp.float32)
            return x

    layer = Widens()
    assert fails(pax.testing.check_dtypes, layer) == (
        f"check_dtypes: mean of {layer!r} has shape (3,) and dtype bfloat16 before a call; (3,) "
        "and float32 after it.\n"
        "  fix: keep the dtype of state: self.mean = new.astype(self.mean.dtype)."
    )


def test_pytree() -> None:
    class Weak(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = jnp.sin(3.0)  # a Python number: of weak dtype

    layer = Weak()
    assert fails(pax.testing.check_pytree, layer) == (
        f"check_pytree: scale of {layer!r} is weakly typed; expected an array with a dtype.\n"
        "  fix: make it with a dtype: self.scale = jnp.asarray(value, jnp.float32)."
    )


def test_purity() -> None:
    shared: list[int] = []

    def remembers(layer: Any, x: Any) -> Any:
        shared.append(1)
        return x * len(shared)

    layer = Scale(remembers)
    assert fails(pax.testing.check_purity, layer).startswith(
        f"check_purity: {layer!r} called again with the same arrays: 1 differs in 6 of 6 numbers"
    )


@pytest.mark.parametrize(
    ("layer", "inputs", "message"),
    [
        (
            jax.nn.relu,
            X,
            "check_jit got a layer of type jit; expected a module.\n"
            "  fix: wrap a function first: pax.Lambda(function).",
        ),
        (
            pax.Identity(),
            [1.0, 2.0],
            "check_jit got inputs that hold a float; expected arrays.\n"
            "  fix: give the arguments of one call as a tuple of arrays, or a single array.",
        ),
    ],
    ids=["layer", "inputs"],
)
def test_bad_arguments(layer: Any, inputs: Any, message: str, unchecked: None) -> None:
    with pytest.raises(pax.DtypeError) as error:
        pax.testing.check_jit(layer, inputs)
    assert str(error.value).replace("PjitFunction", "jit").replace("custom_jvp", "jit") == message
