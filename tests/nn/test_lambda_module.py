"""Functions as modules: calls, names, errors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, Nested, each


class Doubler:
    """Something that can be called and has no name of its own."""

    def __call__(self, x: Any) -> Any:
        return 2 * x


MATRIX = jnp.arange(6.0).reshape(2, 3)

NAMES: list[tuple[str, Callable[..., Any]]] = [
    ("relu(x)", jax.nn.relu),
    ("gelu(x)", jax.nn.gelu),
    ("tanh(x)", jnp.tanh),
    ("add(x)", jnp.add),
    ("<lambda>(x)", lambda x: x),
    ("relu(x)", jax.jit(jax.nn.relu)),
    ("relu(x)", jax.vmap(jax.nn.relu)),
    ("<lambda>(x)", jax.jit(lambda x: x)),
    ("sum(x, axis=-1)", functools.partial(jnp.sum, axis=-1)),
    ("sum(x)", jax.jit(functools.partial(jnp.sum, axis=-1))),
    ("dot(float32[2, 3], x)", functools.partial(jnp.dot, MATRIX)),
    ("einsum('ij,j->i', float32[2, 3], x)", functools.partial(jnp.einsum, "ij,j->i", MATRIX)),
    (
        "clip(x, min=0.0, max=float32[3])",
        functools.partial(functools.partial(jnp.clip, min=0.0), max=np.ones(3, np.float32)),
    ),
    ("Doubler(x)", Doubler()),
    ("len(x)", len),
]


@pytest.mark.parametrize(("text", "function"), NAMES, ids=range(len(NAMES)))
def test_printed_form(text: str, function: Callable[..., Any]) -> None:
    assert repr(pax.Lambda(function)) == f"x => {text}"
    assert pax.Sequential(function).summary() == f"Sequential\n└── x => {text}"


def test_a_name_comes_first() -> None:
    assert repr(pax.Lambda(jax.nn.relu, "act")) == "(act) x => relu(x)"


def test_arguments_pass_through() -> None:
    layer = pax.Lambda(lambda x, y, *, scale: (x + y) * scale)
    np.testing.assert_array_equal(layer(jnp.array(2.0), jnp.array(3.0), scale=4.0), 20.0)
    assert pax.Lambda(lambda: "nothing")() == "nothing"


def test_a_function_of_python_is_static() -> None:
    layer = pax.Lambda(jax.nn.relu)
    assert jax.tree.leaves(layer) == []
    assert jax.tree.structure(layer) == jax.tree.structure(pax.Lambda(jax.nn.relu))
    assert jax.tree.structure(layer) != jax.tree.structure(pax.Lambda(jnp.tanh))


def test_an_error_of_the_function_tells_where() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        Nested(pax.Lambda(lambda x: x // 0))(1)
    assert raised.value.__notes__ == ["  at: model.blocks.0.layer"]


def refused(value: Any) -> Bad:
    """Returns something that cannot be called."""
    return Bad(
        lambda: pax.Lambda(value),
        pax.ArgumentError,
        f"Lambda got a value of type {type(value).__name__}, which cannot be called.",
        "pass a function: pax.Lambda(jax.nn.relu).",
    )


@each(*map(refused, [None, "relu", 3]))
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
