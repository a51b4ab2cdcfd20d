"""What counts as an array, a module, or neither."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax._core.node import CHILD, is_jax_leaf, is_node, is_unit, units
from tests.core.samples import Box, Dense, normal

LEAVES = [normal(2), np.arange(2), jax.ShapeDtypeStruct((2,), jnp.float32), jax.random.key(0)]
OTHERS = [1, 1.0, True, "a", None, np.float32(1.0), np.dtype("int8"), pax.EmptyNode(), [normal(2)]]


@pytest.mark.parametrize("x", LEAVES, ids=lambda x: type(x).__name__)
def test_arrays_and_what_stands_for_one(x: object) -> None:
    assert is_jax_leaf(x)
    assert not is_unit(x)


@pytest.mark.parametrize("x", OTHERS, ids=lambda x: type(x).__name__)
def test_not_an_array(x: object) -> None:
    assert not is_jax_leaf(x)


def test_a_tracer_is_an_array() -> None:
    seen: list[bool] = []
    jax.jit(lambda x: seen.append(is_jax_leaf(x)))(1.0)
    assert seen == [True]


def test_modules_and_empty_nodes_are_units() -> None:
    assert is_node(Box())
    assert not is_node(pax.EmptyNode())
    assert not is_node(Box)
    assert is_unit(Box())
    assert is_unit(pax.EmptyNode())


def test_units_stop_at_modules() -> None:
    dense, x = Dense(), normal(2)
    assert [id(u) for u in units({"b": [x, 3], "a": (dense, None)})] == [id(dense), id(x), id(3)]


def test_a_dict_that_cannot_be_ordered_is_one_unit() -> None:
    tree = {1: normal(2), "a": 2}
    assert units(tree)[0] is tree
    assert len(units(tree)) == 1


def test_a_child_shows_as_jax_shows_a_leaf() -> None:
    assert repr(CHILD) == "*"
