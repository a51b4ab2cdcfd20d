"""Initializers: their dtype, their key, and the same values under every transformation."""

from __future__ import annotations

import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.catalogue_functions import INITIALIZERS
from tests.contracts.case import assert_finite, assert_same, key, stack, unstack

CONSTANT = {"zeros", "ones", "constant", "identity", "dirac"}
N = 3

#: LAPACK, which makes a matrix orthogonal, has no half precision.
DTYPES = [
    (name, dtype)
    for dtype in (jnp.float32, jnp.bfloat16, jnp.float16)
    for name in INITIALIZERS
    if dtype == jnp.float32 or "orthogonal" not in name
]

over_initializers = pytest.mark.parametrize("name", INITIALIZERS)


@pytest.mark.parametrize(("name", "dtype"), DTYPES)
def test_dtype_and_shape_are_those_asked_for(name: str, dtype: Any) -> None:
    init, shape = INITIALIZERS[name]
    drawn = init(key(), shape, dtype)
    assert isinstance(drawn, jax.Array)
    assert (drawn.shape, drawn.dtype, drawn.weak_type) == (shape, jnp.dtype(dtype), False)
    assert_finite(drawn)
    assert init(key(), shape).dtype == jnp.float32


@over_initializers
def test_the_key_decides(name: str) -> None:
    init, shape = INITIALIZERS[name]
    drawn = init(key(1), shape)
    assert_same(init(key(1), shape), drawn)
    assert_same(init(jax.random.key(1), shape), drawn)
    assert (drawn == init(key(2), shape)).all() == (name in CONSTANT)


@over_initializers
def test_transformations_give_the_same_values(name: str) -> None:
    init, shape = INITIALIZERS[name]
    keys = [key(i) for i in range(N)]
    found = jax.jit(jax.vmap(lambda key: init(key, shape), axis_size=N))(stack(keys))
    for key_i, x in zip(keys, unstack(found, N), strict=True):
        assert_same(x, init(key_i, shape), 1e-6)
    abstract = jax.eval_shape(lambda key: init(key, shape), key())
    assert isinstance(abstract, jax.ShapeDtypeStruct)
    assert (abstract.shape, abstract.dtype) == (shape, jnp.float32)


@over_initializers
def test_pickle_and_equality(name: str) -> None:
    init, shape = INITIALIZERS[name]
    loaded = pickle.loads(pickle.dumps(init))
    assert loaded == init
    assert hash(loaded) == hash(init)
    np.testing.assert_array_equal(loaded(key(), shape), init(key(), shape))
