"""Where two trees differ: the first place, and what stands there."""

from __future__ import annotations

import collections
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.core.samples import Box, Dense, Net, normal

X = normal(2)


def difference(a: Any, b: Any) -> str:
    with pytest.raises(pax.StructureError) as error:
        pax.assert_structure_equal(a, b)
    first, fix = str(error.value).split("\n")
    assert fix == "  fix: make both with the same constructor arguments, mode and attributes."
    start = "the structures differ at "
    assert first.startswith(start)
    return first.removeprefix(start)


CASES = {
    "static value": (Box(a=1), Box(a=2), "`a`: 1 against 2."),
    "static against child": (Box(a=1), Box(a=X), "`a`: 1 against arrays or modules."),
    "attribute": (Box(a=1), Box(b=1), "`a`: 1 against no such attribute."),
    "one more": (Box(), Box(b=X), "`b`: no such attribute against arrays or modules."),
    "order": (
        Box(a=1, b=2),
        Box(b=2, a=1),
        "`(root)`: attributes training, name, a, b against attributes training, name, b, a.",
    ),
    "class": (Box(a=Dense()), Box(a=Box()), "`a`: Dense against Box."),
    "array against list": (Box(a=X), Box(a=[X]), "`a`: an array against list."),
    "length": ({"a": [X, X]}, {"a": [X]}, "`a`: children 0, 1 against children 0."),
    "none": ([X, None], [X, pax.EmptyNode()], "`1`: NoneType against EmptyNode."),
    "keys": ({"a": X}, {"b": X}, "`(root)`: children a against children b."),
    "nothing": ({"a": {}}, {"a": {"c": 1}}, "`a`: children (none) against children c."),
    "deep": (
        Box(layers=[Dense(), Box(sub={"x": Dense(2, 3)})]),
        Box(layers=[Dense(), Box(sub={"x": Dense(2, 4)})]),
        "`layers.1.sub.x.out_dim`: 3 against 4.",
    ),
    "mode": (Net(), Net().eval(), "`training`: True against False."),
    "mixed": (Box(a=[X, "f"]), Box(a=[X, "g"]), "`a`: [*, 'f'] against [*, 'g']."),
    "changed list": (Box(a=[1]), Box(a=[1, 2]), "`a`: [1] against [1, 2]."),
    "frozen": (
        pax.freeze_parameters(Dense()),
        Dense(),
        "`(root)`: Dense with another parameters against Dense.",
    ),
    "kind of dict": (
        {"a": {"b": X}},
        {"a": collections.OrderedDict(b=X)},
        "`a`: dict against OrderedDict.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_difference_is_named(name: str) -> None:
    a, b, text = CASES[name]
    assert difference(a, b) == text


def test_leaves_of_other_types_are_no_difference() -> None:
    a = Box(x=np.arange(2.0), y=[normal(1)])
    b = Box(x=jnp.arange(3.0), y=[normal(1), normal(2)])
    assert difference(a, b) == "`y`: children 0 against children 0, 1."
    assert difference([1, "a", [1]], [None.__class__, 2.0, (1,)]) == "`2`: list against tuple."


def test_equal_structures() -> None:
    assert pax.assert_structure_equal(Net(), Net()) is True
    assert pax.assert_structure_equal(Net(), jax.tree.map(lambda x: x + 1, Net())) is True
    assert pax.assert_structure_equal(Box(a=np.arange(2)), Box(a=normal(3, 4))) is True
    assert pax.assert_structure_equal({"a": 1}, {"a": X}) is True


def test_the_error_is_what_older_programs_catch() -> None:
    with pytest.raises(AssertionError):
        pax.assert_structure_equal([1], (1,))
    with pytest.raises(ValueError):
        pax.assert_structure_equal([1], (1,))
