"""JAX's functions as attributes: pickled and copied by name."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest

from tests.core.samples import Box, normal

FUNCTIONS = [
    jax.nn.relu, jax.nn.gelu, jax.nn.silu, jax.nn.swish, jax.nn.softmax, jax.nn.relu6,
    jax.nn.sigmoid, jnp.tanh, jnp.maximum, jnp.exp, jnp.add, jax.lax.rsqrt, jax.numpy.linalg.norm,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_function_of_jax_stays_the_same_object(function: Callable[..., object]) -> None:
    box = Box(act=function, x=normal(2), steps=[normal(3), function])
    for again in (copy.copy(box), copy.deepcopy(box), pickle.loads(pickle.dumps(box))):
        assert again.act is function
        assert again.steps[1] is function
        assert jax.tree.structure(again) == jax.tree.structure(box)


@jax.jit
def double(x):
    return x * 2


@jax.custom_jvp
def half(x):
    return x / 2


@pytest.mark.parametrize("function", [double, half], ids=["jit", "custom_jvp"])
def test_a_users_own_function(function: Callable[..., object]) -> None:
    assert pickle.loads(pickle.dumps(function)) is function
    assert copy.deepcopy(Box(act=function)).act is function
