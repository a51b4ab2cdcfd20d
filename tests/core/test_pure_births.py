"""Purity and modules that are made inside: who may change them."""

from __future__ import annotations

import jax
import pytest

import pax
from tests.core.samples import Box, Net


def test_modules_made_inside_pure() -> None:
    outer_one = Box(x=1)

    def run(box: Box) -> Box:
        made = Box(x=1, deep=[Box(x=2)], outer=outer_one)
        with pytest.raises(pax.PurityError, match="was not given"):
            made.x = 3
        box.made = made
        made.x = 4
        made.deep[0].x = 5
        with pytest.raises(pax.PurityError, match="was not given"):
            made.outer.x = 6
        box.late = [Box(x=7)]
        box.late[0].x = 8
        box.late.append(Box(x=9))
        return box

    changed = pax.pure(run)(Box())
    assert (changed.made.x, changed.made.deep[0].x, changed.made.outer) == (4, 5, outer_one)
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
        with pytest.raises(pax.PurityError, match="was not given"):
            box.replaced.deep.x = 5
        box.switched = [outer_one.eval()]
        box.switched[0].deep.x = 6
        box.sub = box.sub.train()
        box.sub.x = 7
        return box

    changed = pax.pure(run)(Box(sub=Box(x=0)))
    assert (changed.replaced.x, changed.switched[0].deep.x, changed.sub.x) == (4, 6, 7)
    assert not changed.switched[0].deep.training
    assert (outer_one.x, outer_one.deep.x, outer_one.training) == (1, 2, True)
    with pytest.raises(pax.PurityError, match="outside"):
        changed.switched[0].deep.x = 0


def test_a_module_made_inside_pure_of_one_without_its_arrays_keeps_its_children() -> None:
    def run(box: Box) -> Box:
        box.hollow = hollow.eval()
        return box

    hollow = jax.tree.map(lambda _: "no array", Net())
    changed = pax.pure(run)(Box())
    assert changed.hollow.pytree_attributes == Net().pytree_attributes


def test_a_module_made_in_a_nested_pure_belongs_to_that_one() -> None:
    def make() -> Box:
        return Box(x=1)

    def run(box: Box) -> Box:
        box.made = pax.pure(make)()
        with pytest.raises(pax.PurityError):
            box.made.x = 2
        return box

    assert pax.pure(run)(Box()).made.x == 1
