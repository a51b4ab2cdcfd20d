"""Purity and modules that are made inside: who may change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import pytest

import pax
from pax._core.guard import is_sealed
from tests.core.samples import Box, Net, normal


def test_modules_made_inside_pure() -> None:
    outer_one = Box(x=1)

    def run(box: Box) -> Box:
        made = Box(x=1, deep=[Box(x=2)], outer=outer_one)
        with pytest.raises(pax.PurityError, match="was not given"):
            made.x = 3
        box.made = made
        made.x = 4
        made.deep[0].x = 5
        made.outer.x = 6  # a copy
        box.late = [Box(x=7)]
        box.late[0].x = 8
        box.late.append(Box(x=9))
        return box

    changed = pax.pure(run)(Box())
    assert (changed.made.x, changed.made.deep[0].x, changed.made.outer.x) == (4, 5, 6)
    assert [box.x for box in changed.late] == [8, 9]
    assert outer_one.x == 1
    for module in (changed.made, changed.made.deep[0], changed.late[0]):
        with pytest.raises(pax.PurityError, match="outside"):
            module.x = 0


def test_modules_made_of_others_inside_pure() -> None:
    outer_one = Box(x=1, deep=Box(x=2))

    def run(box: Box) -> Box:
        box.replaced = outer_one.replace(x=3)
        box.replaced.x = 4
        box.replaced.deep.x = 5
        box.switched = [outer_one.eval()]
        box.switched[0].deep.x = 6
        box.sub = box.sub.train()
        box.sub.x = 7
        return box

    changed = pax.pure(run)(Box(sub=Box(x=0)))
    assert (changed.replaced.x, changed.switched[0].deep.x, changed.sub.x) == (4, 6, 7)
    assert changed.replaced.deep.x == 5
    assert not changed.switched[0].deep.training
    assert (outer_one.x, outer_one.deep.x, outer_one.training) == (1, 2, True)
    with pytest.raises(pax.PurityError, match="outside"):
        changed.switched[0].deep.x = 0


def test_a_module_made_inside_pure_of_one_without_its_arrays_keeps_its_children() -> None:
    def run(box: Box) -> Box:
        box.hollow = hollow.eval()
        box.again = hollow
        box.again = box.again.eval()
        return box

    hollow = jax.tree.map(lambda _: "no array", Net())
    changed = pax.pure(run)(Box())
    assert changed.hollow.pytree_attributes == Net().pytree_attributes
    assert changed.again.pytree_attributes == Net().pytree_attributes


def test_what_a_nested_pure_returns_may_change_where_it_is_assigned() -> None:
    def run(box: Box) -> Box:
        made = pax.pure(lambda: Box(x=1))()
        box.made = made
        box.made.x = 2
        assert made.x == 1
        with pytest.raises(pax.PurityError, match="was not given"):
            made.x = 3
        return box

    assert pax.pure(run)(Box()).made.x == 2


def test_a_module_from_elsewhere_is_copied_where_it_is_assigned() -> None:
    elsewhere, array = Box(x=1, deep=[Box(x=2)]), normal(3)

    def run(box: Box) -> Box:
        box.one = elsewhere
        box.one.deep[0].x = 3
        both = [array, elsewhere]
        box.two = both
        assert box.two[0] is array
        box.two[1].x = 4
        box.three = arrays
        assert box.three is arrays
        return box

    arrays = {"a": normal(2, seed=1), "act": jax.nn.relu}
    changed = pax.pure(run)(Box())
    assert (changed.one.deep[0].x, changed.two[1].x) == (3, 4)
    assert (elsewhere.x, elsewhere.deep[0].x) == (1, 2)
    with pytest.raises(pax.PurityError, match="outside"):
        changed.one.deep[0].x = 0


#: Ways to make a module of another one; each gives `box` with other modules all the way down.
COPIES: dict[str, Callable[[Any], Any]] = {
    "replace": lambda box: box.replace(y=0),
    "set_attribute": lambda box: box.set_attribute("z", 0),
    "replace_node": lambda box: box.replace_node(box.x, normal(2, seed=3)),
    "replace_method": lambda box: box.replace_method(call=lambda self: None),
    "train": lambda box: box.train(),
    "eval": lambda box: box.eval(),
    "apply": lambda box: box.apply(lambda m: m.replace(name="n")),
    "map": lambda box: box.map(lambda x: x * 2),
    "copy": lambda box: box.copy(),
    "update_parameters": lambda box: box.update_parameters(box.parameters().map(lambda x: -x)),
    "or": lambda box: box | box.map(lambda x: x + 1),
    "freeze": pax.freeze_parameters,
    "tree_map, assigned": lambda box: jax.tree.map(lambda x: x * 2, box),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_of_a_module_that_may_change_may_change_too(name: str) -> None:
    def run(root: Box) -> Box:
        box = COPIES[name](root.box)
        if "assigned" in name:
            root.box = box
            box = root.box
        box.y = 5
        box.deep[0].x = 6
        root.box = box
        assert root.box is box
        return root

    before = Box(box=Box(x=normal(2), y=1, deep=[Box(x=2, w=normal(3, seed=1))]))
    after = pax.pure(run)(before)
    assert (after.box.y, after.box.deep[0].x) == (5, 6)
    assert (before.box.y, before.box.deep[0].x) == (1, 2)
    with pytest.raises(pax.PurityError, match="outside"):
        after.box.y = 0
    with pytest.raises(pax.PurityError, match="outside"):
        after.box.deep[0].x = 0


def test_a_copy_made_in_an_inner_trace_may_not_change() -> None:
    def run(box: Box) -> Box:
        @jax.jit
        def inner(x: jax.Array) -> jax.Array:
            copied = box.map(lambda w: w * x)
            with pytest.raises(pax.PurityError, match="was not given"):
                copied.y = 2
            return copied.x

        box.x = inner(box.x)
        return box

    assert pax.pure(run)(Box(x=normal(2), y=1)).y == 1


def test_a_copy_made_in_a_constructor_is_sealed() -> None:
    copies: list[Any] = []

    class Net(Box):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            copies.extend([self.copy(), self.replace(x=2)])
            with pytest.raises(pax.PurityError, match="outside"):
                copies[0].x = 3

    Net(x=1)
    assert [is_sealed(copy) for copy in copies] == [True, True]


def test_a_constructor_takes_modules_as_they_are() -> None:
    made = Box(x=1)
    assert Box(box=made, boxes=[made.replace(x=2)]).box is made
