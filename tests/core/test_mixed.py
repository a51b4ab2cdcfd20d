"""Containers that hold layers or arrays beside static things."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import pax
from pax._core.mixed import Mixed
from tests.core.samples import Apply, Box, Dense, normal


def test_hollow_and_fill_are_inverse() -> None:
    value = [normal(2), jax.nn.relu, {"a": Dense(), "b": "text"}, (3, normal(2, seed=1))]
    mixed = Mixed(value)
    hollow = mixed.hollow(value)
    assert hollow[1] is None
    assert hollow[2] == {"a": value[2]["a"], "b": None}
    assert hollow[3][0] is None
    again = mixed.fill(hollow)
    assert again is not value
    assert again[1] is jax.nn.relu
    assert again[2]["a"] is value[2]["a"]
    assert (again[2]["b"], again[3][0]) == ("text", 3)


def test_fill_takes_anything_in_the_place_of_a_child() -> None:
    mixed = Mixed([normal(2), jax.nn.relu, normal(3)])
    for child in (None, "s", 3, [1, 2], jax.ShapeDtypeStruct((2,), jnp.float32)):
        assert mixed.fill([child, None, child]) == [child, jax.nn.relu, child]
    assert mixed.fill("the whole") == "the whole"
    assert mixed.hollow("the whole") == "the whole"


def test_it_still_fits_after_a_tree_map_and_not_after_a_change() -> None:
    layer = Dense()
    mixed = Mixed([layer, jax.nn.relu])
    for value in ([layer, jax.nn.relu], [None, jax.nn.relu], [(1, 2), jax.nn.relu], "the whole"):
        assert mixed.still_fits(value)
    for value in ([layer, jnp.tanh], [layer], [layer, jax.nn.relu, 3], [jax.nn.relu, layer]):
        assert not mixed.still_fits(value)


def test_equality_is_by_shape_and_static_values() -> None:
    one, two = normal(2), normal(3)
    assert Mixed([one, "a"]) == Mixed([two, "a"])
    assert hash(Mixed([one, "a"])) == hash(Mixed([two, "a"]))
    assert Mixed([one, 1]) == Mixed([two, 1.0])
    assert Mixed([one, 1]).key != Mixed([two, 1.0]).key
    assert Mixed([one, "a"]) != Mixed([two, "b"])
    assert Mixed([one, "a"]) != Mixed(["a", two])
    assert Mixed([one, "a"]) != Mixed((two, "a"))
    assert repr(Mixed([one, "a", {"b": two}])) == "[*, 'a', {'b': *}]"


def mixed_box() -> Box:
    return Box(parts=[normal(3), jnp.tanh, {"b": Dense(), "f": max}], given=normal(2, seed=7))


def test_only_arrays_and_modules_of_a_mixed_list_are_leaves() -> None:
    box = mixed_box()
    assert box.pytree_attributes == ("parts", "given")
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(box)]
    assert paths == [".parts[0]", ".parts[2]['b'].weight", ".parts[2]['b'].bias", ".given"]


@pytest.mark.parametrize("put", [None, "s", 3, jax.ShapeDtypeStruct((1,), jnp.int32), [1, 2], ()])
def test_a_tree_map_keeps_the_split(put: object) -> None:
    box = mixed_box()
    mapped = jax.tree.map(lambda _: put, box)
    assert (mapped.parts[0], mapped.parts[1], mapped.parts[2]["f"]) == (put, jnp.tanh, max)
    leaves = jax.tree.leaves(mapped)
    assert leaves == jax.tree.leaves([put] * len(jax.tree.leaves(box)))
    back = jax.tree.map(lambda x, _: x, box, mapped, is_leaf=lambda x: isinstance(x, jax.Array))
    assert back == box


def test_a_tree_map_that_sees_none_cannot_change_what_is_static() -> None:
    box = mixed_box()
    mapped = jax.tree.map(lambda x: "none" if x is None else x, box, is_leaf=lambda x: x is None)
    assert mapped == box
    assert mapped.parts[1] is jnp.tanh


def test_a_tree_map_of_a_tree_map_through_replace_and_eval() -> None:
    box = mixed_box()
    mapped = jax.tree.map(lambda x: x.ndim, box).eval().replace(given=None)
    assert mapped.parts[0] == 1
    assert jax.tree.leaves(mapped) == [1, 2, 1]


def test_vmap_with_a_tree_of_axes() -> None:
    box = Box(parts=[normal(3), jnp.tanh])
    axes = jax.tree.map(lambda _: 0, box)
    y = jax.vmap(lambda box: box.parts[1](box.parts[0]), in_axes=(axes,))(box)
    assert (y == jnp.tanh(box.parts[0])).all()


def test_jit_returns_a_mixed_list_and_traces_once() -> None:
    step = jax.jit(lambda box: jax.tree.map(lambda x: x + 1, box))
    box = mixed_box()
    for _ in range(10):
        box = step(box)
    assert step._cache_size() == 1
    assert box.parts[1] is jnp.tanh


def test_another_static_value_in_a_mixed_list_is_another_program() -> None:
    call = jax.jit(lambda box: box.parts[1](box.parts[0]))
    x = normal(3)
    assert (call(Box(parts=[x, jnp.tanh])) == jnp.tanh(x)).all()
    assert (call(Box(parts=[x, jnp.sin])) == jnp.sin(x)).all()
    assert call._cache_size() == 2


def test_changed_in_place_inside_pure() -> None:
    box = mixed_box()

    def change(box: Box) -> Box:
        box.parts.append(Dense(seed=5))
        box.parts[1] = jnp.sin
        box.parts[0] = 7
        return box

    changed = pax.pure(change)(box)
    assert len(jax.tree.leaves(changed)) == 5
    assert changed.parts[:2] == [7, jnp.sin]
    assert box.parts[1] is jnp.tanh
    assert len(box.parts) == 3


def test_all_children_and_all_static_are_not_mixed() -> None:
    assert type(Box(parts=[normal(2), Dense()]).copy().parts) is list
    assert Box(parts=[max, 3, "a"]).pytree_attributes == ()


def test_a_call_through_a_mixed_list() -> None:
    net = Apply(lambda self, x: self.steps[1](self.steps[0](x)), steps=[Dense(3, 2), jnp.tanh])
    x = normal(4, 3, seed=9)
    assert (jax.jit(lambda net, x: net(x))(net, x) == jax.jit(net)(x)).all()


ITERATORS = [
    lambda: iter([1]),
    lambda: enumerate([1]),
    lambda: (i for i in [1]),
    lambda: map(str, [1]),
]


@pytest.mark.parametrize("make", ITERATORS)
def test_an_iterator_is_static_alone_and_beside_a_layer(make: Callable[[], Any]) -> None:
    stream, layer = make(), Dense()
    box = Box(stream=stream, both=[layer, stream])
    assert box.pytree_attributes == ("both",)
    again = box.load_state_dict(box.state_dict())
    for other in (box.copy(), box.eval(), box.apply(lambda m: m.replace(name="n")), again):
        assert other.stream is stream
        assert other.both[1] is stream
    swapped = box.replace_node(layer, Dense())
    assert swapped.both[1] is stream
    assert box.summary().splitlines()[0] == "Box"
