"""Random trees of modules, randomly changed: nothing is lost, mixed up or shared."""

from __future__ import annotations

import collections
import copy
import pickle
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import pax
from pax._core.compare import differences
from pax._core.guard import Draft
from tests.core.samples import Box


class Pair(NamedTuple):
    left: Any
    right: Any


class Trainable(pax.ParameterModule):
    """A module of another kind, with the same way to fill it."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        for name, value in attributes.items():
            setattr(self, name, value)


class Plan(NamedTuple):
    """What `build` makes an array or a module of: no two places ever hold the same one."""

    make: Any
    given: Any


def build(plan: Any) -> Any:
    if isinstance(plan, Plan):
        if isinstance(plan.given, dict):
            return plan.make(**build(plan.given))
        return plan.make(np.arange(plan.given, dtype=np.float32) + 0.5)
    if isinstance(plan, dict):
        return type(plan)((k, build(v)) for k, v in plan.items())
    if isinstance(plan, Pair):
        return Pair(*map(build, plan))
    return type(plan)(map(build, plan)) if isinstance(plan, (list, tuple)) else plan


names = st.sampled_from("abcdefg")
arrays = st.builds(Plan, st.sampled_from([jnp.asarray, np.asarray]), st.integers(0, 3))
statics = st.one_of(
    st.sampled_from([None, True, 1, 1.0, -0.0, "text", jax.nn.relu, max, Box]),
    st.integers(0, 3),
    st.floats(allow_nan=False),
)


def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    items = st.lists(inner, max_size=3)
    table = st.dictionaries(names, inner, max_size=3)
    return st.one_of(
        items,
        items.map(tuple),
        table,
        table.map(collections.OrderedDict),
        st.builds(Pair, inner, inner),
        st.builds(Plan, st.sampled_from([Box, Trainable]), table),
    )


values = st.recursive(st.one_of(arrays, statics, st.just(pax.EmptyNode())), grown, max_leaves=10)
modules = st.builds(Plan, st.just(Box), st.dictionaries(names, values, max_size=4))


def is_array(x: Any) -> bool:
    return isinstance(x, (jax.Array, np.ndarray))


def attributes(module: pax.Module) -> dict[str, Any]:
    return {k: v for k, v in vars(module).items() if k != "_pax"}


def described(x: Any) -> Any:
    """Returns all there is to know about a tree: classes, order, exact statics, array ids.

    All but the order of a plain dict: JAX sorts it.
    """
    if isinstance(x, pax.Module):
        return type(x), [(k, described(v)) for k, v in attributes(x).items()]
    if isinstance(x, dict):
        items = [(k, described(v)) for k, v in x.items()]
        return type(x), items if isinstance(x, collections.OrderedDict) else dict(items)
    if isinstance(x, (list, tuple)):
        return type(x), [described(v) for v in x]
    return (type(x), id(x)) if is_array(x) else (type(x), repr(x))


def leaves_by_hand(x: Any) -> list[Any]:
    """Returns the arrays in the order in which JAX must find them."""
    if is_array(x):
        return [x]
    if isinstance(x, pax.Module):
        inside = list(attributes(x).values())
    elif isinstance(x, collections.OrderedDict):
        inside = list(x.values())
    elif isinstance(x, dict):
        inside = [x[k] for k in sorted(x)]
    else:
        inside = list(x) if isinstance(x, (list, tuple)) else []
    return [leaf for value in inside for leaf in leaves_by_hand(value)]


def is_sealed(x: Any) -> bool:
    return isinstance(x, pax.Module) and type(vars(x)["_pax"]) is not Draft


def parts(x: Any, mutable_only: bool = False) -> list[Any]:
    """Returns every module and every container that can change in place."""
    if mutable_only and is_sealed(x):  # one that was made in pure and put into a list there
        return []
    found = [x] if isinstance(x, (pax.Module, list, dict)) else []
    inside: Any = ()
    if isinstance(x, pax.Module):
        inside = attributes(x).values()
    elif isinstance(x, dict):
        inside = x.values()
    elif isinstance(x, (list, tuple)):
        inside = x
    return found + [part for value in inside for part in parts(value, mutable_only)]


def share_nothing(a: Any, b: Any) -> bool:
    return not set(map(id, parts(a))) & set(map(id, parts(b)))


@settings(max_examples=30)
@given(modules)
def test_flattening_finds_the_arrays_and_unflattening_puts_them_back(plan: Plan) -> None:
    module = build(plan)
    leaves, treedef = jax.tree.flatten(module)
    assert list(map(id, leaves)) == list(map(id, leaves_by_hand(module)))
    again = treedef.unflatten(leaves)
    assert described(again) == described(module)
    assert share_nothing(again, module)
    assert again == module
    assert hash(again) == hash(module)
    assert jax.tree.structure(again) == treedef
    assert share_nothing(treedef.unflatten(leaves), again)
    for x in module.submodules():
        assert x.scan_bugs() is x


@settings(max_examples=30)
@given(modules)
def test_paths_lead_to_the_leaves(plan: Plan) -> None:
    module = build(plan)
    for path, leaf in jax.tree.leaves_with_path(module):
        node: Any = module
        for key in path:
            if isinstance(key, jax.tree_util.GetAttrKey):
                node = getattr(node, key.name)
            elif isinstance(key, jax.tree_util.SequenceKey):
                node = node[key.idx]
            else:
                node = node[key.key]
        assert node is leaf


@settings(max_examples=30)
@given(modules, st.sampled_from([None, 3, "s", (), jax.ShapeDtypeStruct((1,), np.int8)]))
def test_a_tree_map_may_put_anything_at_the_leaves(plan: Plan, put: Any) -> None:
    module = build(plan)
    before = described(module)
    mapped = jax.tree.map(lambda _: put, module)
    for tree in (mapped, mapped.copy(), mapped.eval().train()):
        back = jax.tree.map(lambda x, _: x, module, tree, is_leaf=is_array)
        assert described(back) == before
    assert described(pax.pure(lambda m: m)(mapped)) == described(mapped)
    assert described(module) == before


@settings(max_examples=30)
@given(modules)
def test_equality_is_identity_of_arrays(plan: Plan) -> None:
    module = build(plan)
    other = jax.tree.map(copy.copy, module)
    assert hash(other) == hash(module)
    assert (other == module) == (not jax.tree.leaves(module))
    assert pax.assert_structure_equal(other, module)
    assert module != module.set_attribute("late", 1)


@settings(max_examples=30)
@given(modules)
def test_copies(plan: Plan) -> None:
    module = build(plan)
    assert described(copy.copy(module)) == described(module)
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert share_nothing(again, module)
        assert hash(again) == hash(module)
        assert pax.assert_structure_equal(again, module)
        with_ours = jax.tree.map(lambda _, x: x, again, module)
        assert described(with_ours) == described(module)


@settings(max_examples=30)
@given(modules)
def test_modes_parameters_and_states_come_back(plan: Plan) -> None:
    module = build(plan)
    before = described(module)
    assert described(module.eval().train()) == before
    assert described(module | ~module) == before
    assert described(module.update_parameters(module)) == before
    assert described(module.load_state_dict(module.state_dict())) == before
    assert described(module.replace(**attributes(module))) == before
    assert described(module.apply(lambda m: m)) == before
    assert described(module.map(lambda x: x)) == before
    frozen = pax.freeze_parameters(module)
    assert jax.tree.leaves(~frozen) == []
    assert described(pax.unfreeze_parameters(frozen, origin=module)) == before
    assert (~module).parameters() == ~module
    assert described(module) == before


@settings(max_examples=10)
@given(modules)
def test_a_compiled_function_gives_the_same_tree_back(plan: Plan) -> None:
    module = build(plan)
    out = jax.jit(lambda m: m.map(lambda x: x + 1))(module)
    assert pax.assert_structure_equal(out, module)
    for x, y in zip(jax.tree.leaves(out), jax.tree.leaves(module), strict=True):
        np.testing.assert_array_equal(x, y + 1)
    restored = jax.tree.map(lambda _, x: x, out, module)
    assert described(restored) == described(module)


def change_once(data: st.DataObject, root: Box) -> None:
    """Changes one thing somewhere in a tree that may be changed."""
    mutable = parts(root, mutable_only=True)
    part = mutable[data.draw(st.integers(0, len(mutable) - 1), label="part")]
    value = build(data.draw(values, label="value"))
    if isinstance(part, list):
        how = data.draw(st.sampled_from(["append", "clear", "set"]))
        if how == "append" or not part:
            part.append(value)
        elif how == "clear":
            part.clear()
        else:
            part[data.draw(st.integers(0, len(part) - 1))] = value
    elif isinstance(part, dict):
        part[data.draw(names)] = value
    else:
        static = [k for k in attributes(part) if k not in ("training", *part.pytree_attributes)]
        if data.draw(st.booleans()) or static == ["name"]:
            setattr(part, data.draw(names), value)
        else:
            delattr(part, data.draw(st.sampled_from([k for k in static if k != "name"])))


@settings(max_examples=30)
@given(modules, st.data())
def test_changes_in_pure_are_kept_and_nobody_else_sees_them(
    plan: Plan, data: st.DataObject
) -> None:
    module = build(plan)
    before = described(module)
    sibling = module.copy()
    wanted: list[Any] = []

    def run(module: Box) -> Box:
        for _ in range(data.draw(st.integers(1, 5), label="changes")):
            change_once(data, module)
            jax.tree.leaves(module)
        wanted.append(described(module))
        return module

    changed = pax.pure(run)(module)
    assert described(changed) == wanted[0]
    assert described(module) == described(sibling) == before
    assert share_nothing(changed, module)
    leaves, treedef = jax.tree.flatten(changed)
    assert list(map(id, leaves)) == list(map(id, leaves_by_hand(changed)))
    assert described(treedef.unflatten(leaves)) == wanted[0]
    for part in parts(changed):
        if isinstance(part, pax.Module):
            with pytest.raises(pax.PurityError):
                part.name = "late"
    assert described(pax.pure(lambda m: m)(changed)) == wanted[0]


@settings(max_examples=30)
@given(modules, st.data())
def test_an_array_at_two_places_is_always_found(plan: Plan, data: st.DataObject) -> None:
    module = build(plan)
    arrays = jax.tree.leaves(module)
    assume(arrays)
    twice = data.draw(st.sampled_from(arrays))
    with pytest.raises(pax.StructureError, match="holds the same array at two places"):
        module.set_attribute("again", [twice])
    for sub in module.submodules():
        with pytest.raises(pax.StructureError, match="holds the same module at two places"):
            module.set_attribute("again", {"x": sub})


@settings(max_examples=30)
@given(modules, modules)
def test_a_difference_in_structure_is_found_or_there_is_none(one: Plan, two: Plan) -> None:
    a, b = build(one), build(two)
    if jax.tree.structure(a) == jax.tree.structure(b):
        assert pax.assert_structure_equal(a, b)
    else:
        with pytest.raises(pax.StructureError, match="the structures differ at"):
            pax.assert_structure_equal(a, b)
    forth, back = list(differences(a, b)), list(differences(b, a))
    assert bool(forth) == (jax.tree.structure(a) != jax.tree.structure(b))
    assert {(path, right, left) for path, left, right in forth} == set(back)
