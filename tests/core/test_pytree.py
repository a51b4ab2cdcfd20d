"""Modules as JAX pytrees: what is a child, and what flattening costs."""

from __future__ import annotations

import collections
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
import pax._core.pytree
from pax._core.pytree import flatten
from tests.core.samples import Box, Dense, Net, normal, same_leaves

X = normal(2)
CHILDREN = {
    "array": X,
    "numpy": np.arange(3.0),
    "abstract": jax.ShapeDtypeStruct((2,), jnp.float32),
    "key": jax.random.key(0),
    "module": Dense(),
    "empty": pax.EmptyNode(),
    "list": [X, normal(3)],
    "tuple": (Dense(), pax.EmptyNode()),
    "dict": {"a": X, "b": {"c": Dense()}},
    "none inside": [None, X],
    "partial": jax.tree_util.Partial(jnp.add, X),
}
STATIC = {
    "int": 3,
    "string": "a",
    "none": None,
    "function": jax.nn.relu,
    "class": Dense,
    "numpy scalar": np.float32(2.0),
    "empty list": [],
    "empty dict": {},
    "empty tuple": (),
    "list of numbers": [1, 2.0],
    "dict of words": {"a": "b"},
    "nested empties": {"a": [], "b": ()},
    "keys that do not compare": {1: "a", "b": 2, None: 3},
    "functools.partial": functools.partial(max, 1),
    "set": {1, 2},
}


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_child(kind: str) -> None:
    box = Box(value=CHILDREN[kind])
    assert box.pytree_attributes == ("value",)
    assert same_leaves(box, [CHILDREN[kind]])
    assert jax.tree.structure(box.copy()) == jax.tree.structure(box)


@pytest.mark.parametrize("kind", STATIC)
def test_a_static_attribute(kind: str) -> None:
    box = Box(value=STATIC[kind], x=X)
    assert box.pytree_attributes == ("x",)
    assert jax.tree.leaves(box) == [X]
    assert jax.tree.map(lambda x: x, box).value == STATIC[kind]
    assert jax.jit(lambda box: box.x)(box).shape == (2,)


def test_annotations_decide_nothing() -> None:
    class Annotated(pax.Module):
        weight: jax.Array
        size: int
        table: dict[str, jax.Array]

        def __init__(self) -> None:
            super().__init__()
            self.weight = 3  # type: ignore[assignment]
            self.size = X  # type: ignore[assignment]

    assert Annotated().pytree_attributes == ("size",)


def test_order_is_that_of_assignment() -> None:
    assert Box(b=X, a=Dense(), c=3).pytree_attributes == ("b", "a")


def test_key_paths_name_attributes_indices_and_keys() -> None:
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(Net())]
    assert paths == [
        ".encoder.weight", ".encoder.bias", ".layers[0].weight", ".layers[0].bias",
        ".layers[2]['last'].weight", ".layers[2]['last'].bias", ".counter.count", ".scale",
    ]  # fmt: skip


def test_flatten_with_and_without_paths_agree() -> None:
    net = Net()
    with_path, treedef = jax.tree_util.tree_flatten_with_path(net)
    leaves, plain = jax.tree.flatten(net)
    assert treedef == plain
    assert same_leaves([x for _, x in with_path], leaves)


def test_round_trip_is_exact_and_shares_no_module_or_container() -> None:
    net = Net()
    again = jax.tree.map(lambda x: x, net)
    assert again == net
    assert again.encoder is not net.encoder
    assert again.layers is not net.layers
    assert again.layers[2] is not net.layers[2]
    assert again.sizes is not net.sizes
    assert list(vars(again)) == list(vars(net))


@pytest.mark.parametrize("put", [None, "s", 3, (), jax.ShapeDtypeStruct((1,), jnp.int32), object()])
def test_tree_maps_may_put_anything_at_the_leaves(put: object) -> None:
    net = Net()
    mapped = jax.tree.map(lambda _: put, net)
    for tree in (mapped, mapped.copy(), mapped.eval().train(), mapped.replace(kind="net")):
        assert tree.encoder.weight is put
        assert tree.layers[2]["last"].bias is put
        assert (tree.sizes, tree.kind, tree.layers[1]) == ([3, 4, 2], "net", jax.nn.relu)
        back = jax.tree.map(lambda x, _: x, net, tree, is_leaf=lambda x: isinstance(x, jax.Array))
        assert back == net


def test_some_leaves_of_a_list_may_become_numbers() -> None:
    box = Box(weights=[normal(2), normal(2, 2)], sizes=[1], f=jnp.tanh)
    mapped = jax.tree.map(lambda x: x.ndim if x.ndim == 1 else x, box)
    for tree in (mapped, mapped.copy(), mapped.eval(), mapped.replace(f=jnp.sin)):
        assert tree.pytree_attributes == ("weights",)
        assert jax.tree.leaves(tree)[0] == 1


def test_in_pure_a_mapped_module_keeps_its_children() -> None:
    mapped = jax.tree.map(lambda x: x.ndim, Net())

    def run(net: Net) -> Net:
        assert net.pytree_attributes == ("encoder", "layers", "counter", "scale")
        net.kind = "changed"
        return net

    changed = pax.pure(run)(mapped)
    assert jax.tree.leaves(changed) == jax.tree.leaves(mapped)
    assert changed.kind == "changed"


def test_in_pure_an_assignment_decides_anew() -> None:
    mapped = jax.tree.map(lambda x: x.ndim, Box(a=normal(2), b=normal(2, 2)))

    def run(box: Box) -> Box:
        box.a = 1
        return box

    assert pax.pure(run)(mapped).pytree_attributes == ("b",)


def test_tracers_shapes_and_gradients_at_the_leaves() -> None:
    net, x = Net(), normal(5, 3, seed=1)
    abstract = jax.eval_shape(lambda net: net, net)
    assert isinstance(abstract.layers[2]["last"].weight, jax.ShapeDtypeStruct)
    assert jax.eval_shape(lambda net, x: net(x), abstract.eval(), x).shape == (5, 2)
    grads = jax.grad(lambda d: d(x).sum())(net.encoder)
    assert grads.weight.shape == (3, 4)
    assert type(grads) is Dense


def test_a_constructor_runs_under_eval_shape_jit_and_vmap() -> None:
    def build(key: jax.Array) -> Box:
        return Box(inner=Box(w=jax.random.normal(key, (3,))), act=jax.nn.relu)

    key = jax.random.key(1)
    assert jax.eval_shape(build, key).inner.w == jax.ShapeDtypeStruct((3,), jnp.float32)
    assert (jax.jit(build)(key).inner.w == build(key).inner.w).all()
    keys = jax.random.split(key, 4)
    stacked = jax.vmap(build)(keys)
    assert stacked.inner.w.shape == (4, 3)
    assert (stacked.inner.w[2] == build(keys[2]).inner.w).all()
    assert stacked.act is jax.nn.relu


def test_vmap_over_an_ensemble() -> None:
    many = jax.tree.map(lambda *x: jnp.stack(x), *[Dense(3, 2, seed=i) for i in range(4)])
    x = normal(5, 3, seed=9)
    y = jax.vmap(lambda net, x: net(x), in_axes=(0, None))(many, x)
    for i in range(4):
        np.testing.assert_allclose(y[i], Dense(3, 2, seed=i)(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("build", [Net, Dense, lambda: Box(a=X, sizes=[1], f=[X + 1, max])])
def test_ten_steps_are_traced_once(build: Any) -> None:
    traces: list[int] = []

    @jax.jit
    def step(tree: Any) -> Any:
        traces.append(1)
        return jax.tree.map(lambda x: x + 1, tree)

    tree = build()
    for _ in range(10):
        tree = step(tree)
    assert len(traces) == 1
    step(build())
    step(tree.copy())
    assert len(traces) == 1
    step(tree.eval())
    assert len(traces) == 2


def test_a_sealed_module_is_never_classified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(layers=[Dense(seed=i) for i in range(5)], table={"a": normal(2)}, size=3)
    net = jax.tree.map(lambda x: x + 1, box)

    def refuse(*_: Any) -> Any:
        raise AssertionError("classified again")

    monkeypatch.setattr(pax._core.pytree, "classify", refuse)
    monkeypatch.setattr(pax._core.pytree, "_entry", refuse)
    for tree in (box, net):
        leaves, treedef = jax.tree.flatten(tree)
        assert treedef.unflatten(leaves) == tree
        assert jax.jit(lambda tree: tree.layers[0].weight)(tree).shape == (2, 2)
        assert isinstance(hash(tree), int)
        tree.parameters()
    with pytest.raises(AssertionError, match="classified again"):
        jax.tree.leaves(Box(size=3, listed=[1]))


def test_construction_looks_at_each_attribute_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Building a list of layers is linear: one look an attribute, one check a module."""
    entry, looks = pax._core.pytree._entry, [0]

    def counted(*args: Any) -> Any:
        looks[0] += 1
        return entry(*args)

    monkeypatch.setattr(pax._core.pytree, "_entry", counted)

    class Deep(pax.Module):
        def __init__(self, depth: int) -> None:
            super().__init__()
            self.layers = [Dense(seed=i) for i in range(depth)]

    def cost(depth: int) -> int:
        looks[0] = 0
        Deep(depth)
        return looks[0]

    attributes = len(vars(Dense())) - 1
    assert cost(200) - cost(100) == 100 * attributes


def test_flatten_gives_the_children_themselves() -> None:
    net = Net()
    children, record = flatten(net)
    assert record.names == ("encoder", "layers", "counter", "scale")
    assert children[0] is net.encoder
    assert children[3] is net.scale


def test_a_cached_property_is_no_attribute() -> None:
    class Cached(Box):
        @functools.cached_property
        def double(self) -> jax.Array:
            return self.x * 2

    box = Cached(x=normal(2), sizes=[1])
    assert (box.double == box.x * 2).all()
    for again in (box, box.copy(), box.eval().train(), box.replace(x=box.x)):
        assert again.pytree_attributes == ("x",)
        assert jax.tree.structure(again) == jax.tree.structure(Cached(x=normal(2), sizes=[1]))


class Branches(pax.Module):
    """Calls the layers of a dict one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = {"b": Dense(seed=1), "a": [{"z": Dense(seed=3), "y": jnp.tanh}]}
        self.settings = {"second": 2, "first": 1}

    def __call__(self, x: jax.Array) -> jax.Array:
        for part in self.parts.values():
            for layer in part[0].values() if isinstance(part, list) else [part]:
                x = layer(x)
        return x


def test_a_dict_of_layers_has_one_order_before_and_after_a_copy() -> None:
    net, x = Branches(), normal(3, 2)
    assert list(net.parts) == ["a", "b"]
    assert list(net.parts["a"][0]) == ["y", "z"]
    assert list(net.settings) == ["second", "first"]
    for again in (
        net.eval(),
        net.copy(),
        pax.pure(lambda net: net)(net),
        jax.jit(lambda n: n)(net),
    ):
        np.testing.assert_array_equal(again(x), net(x))
    np.testing.assert_allclose(jax.jit(lambda net, x: net(x))(net, x), net(x), rtol=1e-5)
    replaced = net.replace(parts={"2": Dense(seed=7), "1": Dense(seed=9)})
    assert list(replaced.parts) == ["1", "2"]
    assert list(net.set_attribute("more", {"d": normal(2), "c": normal(2)}).more) == ["c", "d"]

    def grown(net: Branches) -> Branches:
        net.late = {"q": Dense(seed=11), "p": Dense(seed=13)}
        return net

    assert list(pax.pure(grown)(net).late) == ["p", "q"]


def test_a_dict_in_order_is_kept_as_it_is() -> None:
    parts = {"a": [normal(2)], "b": normal(3)}
    assert Box(parts=parts).parts is parts
    ordered = collections.OrderedDict(b=normal(2), a=normal(3))
    assert list(Box(parts=ordered).parts) == ["b", "a"]
