"""A layer beside a reference: what differs is found and named."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import pax

X = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)


def in_jax(parameters: Any, x: Any) -> Any:
    return x @ parameters["weight"] + parameters["bias"][None]


def in_torch(parameters: Any, x: Any) -> Any:
    return torch.nn.functional.linear(x, parameters["weight"].T, parameters["bias"])


REFERENCES = [in_jax, pax.testing.in_torch(in_torch)]


@pytest.mark.parametrize("reference", REFERENCES, ids=["jax", "torch"])
def test_the_same_formula(reference: Any) -> None:
    pax.testing.assert_matches(pax.Linear(3, 4), reference, X)


@pytest.mark.parametrize("reference", REFERENCES, ids=["jax", "torch"])
def test_a_bias_of_zeros_hides_nothing(reference: Any) -> None:
    def without_bias(parameters: Any, x: Any) -> Any:
        return reference(parameters | {"bias": 0 * parameters["bias"]}, x)

    if reference is not in_jax:
        without_bias = pax.testing.in_torch(without_bias)
    with pytest.raises(pax.testing.CheckError, match=r"output differs in 8 of 8 numbers"):
        pax.testing.assert_matches(pax.Linear(3, 4), without_bias, X)


def test_a_gradient_that_is_lost() -> None:
    detached = pax.testing.in_torch(lambda p, x: in_torch(p, x.detach()))
    with pytest.raises(pax.testing.CheckError) as error:
        pax.testing.assert_matches(pax.Linear(3, 4), detached, X)
    assert ": gradient.inputs.0 differs in 6 of 6 numbers" in str(error.value)


def test_layers_of_one_shape_get_different_numbers() -> None:
    class Both(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = pax.Linear(3, 3), pax.Linear(3, 3)

        def __call__(self, x: Any) -> Any:
            return self.a(x) * jnp.tanh(self.b(x))

    def swapped(p: Any, x: Any) -> Any:
        a = x @ p["b.weight"] + p["b.bias"][None]
        return a * jnp.tanh(x @ p["a.weight"] + p["a.bias"][None])

    with pytest.raises(pax.testing.CheckError, match="output differs"):
        pax.testing.assert_matches(Both(), swapped, X)


def test_integers_and_trees_pass_through() -> None:
    ids = np.array([[0, 4], [2, 2]])
    table = pax.testing.in_torch(lambda p, ids: torch.nn.functional.embedding(ids, p["weight"]))
    pax.testing.assert_matches(pax.Embed(5, 3), table, ids)


def test_other_shapes_are_told() -> None:
    with pytest.raises(pax.testing.CheckError) as error:
        pax.testing.assert_matches(pax.Linear(3, 4), lambda p, x: in_jax(p, x)[0], X)
    assert "output has shape (2, 4) and dtype float64; expected (4,) and float64." in str(
        error.value
    )
