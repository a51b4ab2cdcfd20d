"""Where two trees differ: the first place, and what stands there."""

from __future__ import annotations

import collections
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax._core.compare import all_differences
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


@pytest.mark.parametrize("name", [k for k in CASES if k not in ("attribute", "mode")])
def test_the_only_difference_is_listed_once(name: str) -> None:
    a, b, text = CASES[name]
    assert f"{all_differences(a, b)}." == text


def test_all_differences_are_listed() -> None:
    w, x, y, z = (normal(2) for _ in range(4))
    a = Box(a=1, b=[w, {"x": x, "y": Dense()}], c=Dense(2, 3), d=z)
    b = Box(a=2, b=[[w], {"x": x, "z": y, "y": Dense(1)}], c=Box(), e=z)
    assert all_differences(a, b) == (
        "`a`: 1 against 2, `d`: arrays or modules against no such attribute, "
        "`e`: no such attribute against arrays or modules, `b.0`: an array against list, "
        "`b.1`: children x, y against children x, y, z, `b.1.y.in_dim`: 2 against 1, "
        "`c`: Dense against Box"
    )
    assert all_differences(a, a) == "(none)"


def test_at_most_twenty_differences_are_listed() -> None:
    named = ", ".join(f"`layers.{i}.out_dim`: 1 against 2" for i in range(20))
    a, b = (Box(layers=[Dense(2, n) for _ in range(23)]) for n in (1, 2))
    assert all_differences(a, b) == f"{named} and 3 more"


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
