"""The static part of a module: shared, exact, and never mixed up with another's."""

from __future__ import annotations

import collections
import gc
import math
import weakref
from typing import Any

import jax
import numpy as np
import pytest

import pax
from pax._core.pytree import structure
from pax._core.structure import CHILD, structure_of
from tests.core.samples import Box, Dense, normal

Pair = collections.namedtuple("Pair", "a b")

#: Static values that never change in place; modules of equal ones share one structure.
VALUES = [
    1, 1.0, True, 0, 0.0, -0.0, False, "a", b"a", None, 1j, math.inf, int, max,
    (), (1, "a"), (1, (2.0, None)), Pair(1, 2), frozenset({1}), jax.nn.relu,
    np.dtype("float32"), jax.sharding.PartitionSpec("x"), [], {}, [1, 2], {"a": [1]}, {1, 2},
]  # fmt: skip


def exact(a: Any, b: Any) -> bool:
    return type(a) is type(b) and repr(a) == repr(b)


@pytest.mark.parametrize("value", VALUES)
def test_a_static_value_is_kept_exactly(value: Any) -> None:
    box = Box(value=value, x=normal(2))
    assert box.pytree_attributes == ("x",)
    assert exact(jax.tree.map(lambda x: x + 1, box).value, value)
    assert exact(jax.jit(lambda box: box)(box).value, value)
    assert exact(box.copy().value, value)
    assert exact(box.eval().value, value)
    assert jax.tree.structure(box) == jax.tree.structure(Box(value=value, x=normal(2, seed=1)))


def test_nan_is_kept_and_does_not_compile_anew() -> None:
    step = jax.jit(lambda box: jax.tree.map(lambda x: x + 1, box))
    box = Box(value=float("nan"), x=normal(2))
    for _ in range(3):
        box = step(box)
    assert math.isnan(box.value)
    assert step._cache_size() == 1
    step(Box(value=float("nan"), x=normal(2)))
    assert step._cache_size() == 1


def test_modules_of_equal_static_part_share_one_structure() -> None:
    assert structure(Dense(2, 3)) is structure(Dense(2, 3, seed=5))
    assert structure(Dense(2, 3)) is not structure(Dense(2, 4))
    assert structure(Dense()) is structure(Dense().copy())
    assert structure(Dense().eval().train()) is structure(Dense())
    leaves, treedef = jax.tree.flatten(Dense())
    assert structure(treedef.unflatten(leaves)) is structure(Dense())


def test_static_parts_are_compared_with_equals() -> None:
    class Version:
        def __init__(self, number: int) -> None:
            self.number = number

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Version) and self.number == other.number

        def __hash__(self) -> int:
            return hash(self.number)

    one, two, other = (structure(Box(v=Version(i))) for i in (1, 1, 2))
    assert one == two
    assert hash(one) == hash(two) != hash(other)
    assert one != other
    assert jax.tree.structure(Box(v=Version(1))) == jax.tree.structure(Box(v=Version(1)))


def test_equal_numbers_are_one_structure_and_kept_apart_all_the_same() -> None:
    one, two = Box(k=1, x=normal(2)), Box(k=1.0, x=normal(2))
    assert jax.tree.structure(one) == jax.tree.structure(two)
    assert structure(one) is not structure(two)
    assert (type(one.copy().k), type(two.copy().k)) == (int, float)


def test_values_that_cannot_be_hashed_are_compared_all_the_same() -> None:
    class Options:
        __hash__ = None  # type: ignore[assignment]

        def __init__(self, number: int) -> None:
            self.number = number

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Options) and self.number == other.number

    one, two = structure(Box(v=Options(1))), structure(Box(v=Options(1)))
    assert one == two
    assert hash(one) == hash(two)
    assert one != structure(Box(v=Options(2)))


def test_equal_dicts_hash_alike_whatever_their_class() -> None:
    plain = structure(Box(v={"a": 1}))
    ordered = structure(Box(v=collections.OrderedDict(a=1)))
    assert plain == ordered
    assert hash(plain) == hash(ordered)


def test_class_names_and_order_count() -> None:
    assert jax.tree.structure(Box(a=1)) != jax.tree.structure(Box(b=1))
    assert jax.tree.structure(Box(a=1, b=2)) != jax.tree.structure(Box(b=2, a=1))
    assert jax.tree.structure(Box(a=1)) != jax.tree.structure(Box(a=1, b=None))
    assert structure(Box()) != "Box"

    class Other(Box):
        """The same attributes in another class."""

    assert jax.tree.structure(Box(a=1)) != jax.tree.structure(Other(a=1))


def test_a_child_differs_from_a_static_value() -> None:
    assert jax.tree.structure(Box(a=normal(2))) != jax.tree.structure(Box(a=2))


CHANGES = {
    "list": ([1, 2], lambda v: v.append(3)),
    "dict": ({"a": 1}, lambda v: v.update(b=2)),
    "set": ({1}, lambda v: v.add(2)),
    "deque": (collections.deque([1]), lambda v: v.append(2)),
    "ordered": (collections.OrderedDict(a=1), lambda v: v.update(b=2)),
    "nested": ({"a": ([1],)}, lambda v: v["a"][0].append(2)),
    "named": (Pair(1, [2]), lambda v: v.b.append(3)),
    "empty": ([], lambda v: v.append("a")),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_container_changed_inside_pure(kind: str) -> None:
    """The change is seen by jit, and no other module is touched."""
    value, change = CHANGES[kind]
    before = repr(value)
    seen: list[str] = []

    def trace(box: Box) -> Box:
        seen.append(repr(box.value))
        return jax.tree.map(lambda x: x + 1, box)

    step = jax.jit(trace)
    box = Box(value=value, x=normal(2))
    copy, from_jit, evaluated = box.copy(), step(box), box.eval()

    def run(box: Box) -> Box:
        change(box.value)
        return box

    changed = pax.pure(run)(from_jit)
    assert repr(changed.value) != before
    for other in (box, copy, from_jit, evaluated, step(box), step(copy), Box(value=value)):
        assert repr(other.value) == before
    assert repr(step(changed).value) == repr(changed.value)
    assert seen == [before, repr(changed.value)]


def test_objects_in_a_static_container_are_shared() -> None:
    thing = object()
    box = pax.pure(lambda box: box)(Box(things=[thing], thing=thing))
    assert box.things[0] is thing
    assert box.thing is thing


def test_a_structure_goes_when_its_last_module_goes() -> None:
    thing = type("Thing", (), {})()
    box = Box(thing=thing)
    watch, record = weakref.ref(thing), weakref.ref(structure(box))
    del thing, box
    gc.collect()
    assert watch() is None
    assert record() is None


def test_a_structure_that_still_holds_is_returned() -> None:
    entries = {"a": [1], "b": CHILD}
    one = structure_of(Box, entries)
    assert structure_of(Box, {"a": [1], "b": CHILD}, one) is one
    assert structure_of(Box, {"a": [1.0], "b": CHILD}, one) is not one
    assert structure_of(Box, {"a": [1], "b": CHILD}) is not one


def test_text() -> None:
    assert repr(structure(Dense(2, 3))) == (
        "Dense(training=True, in_dim=2, out_dim=3, weight=*, bias=*)"
    )


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_any_number_of_attributes(count: int) -> None:
    box = Box(**{f"a{i}": normal(1, seed=i) if i % 2 else i for i in range(count)})
    assert len(jax.tree.leaves(box)) == count // 2
    assert box.copy() == box


def test_attribute_names_that_are_no_identifiers() -> None:
    box = Box(**{"a b": normal(2), "it's": 3, "class": normal(1)})
    assert box.copy() == box
    assert getattr(box.copy(), "it's") == 3
