"""New modules from old: replace, replace_node, replace_method, apply."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.core.samples import Apply, Box, Counter, Dense, Net, normal, same_leaves


def test_replace_leaves_the_module_as_it_is() -> None:
    net, scale = Net(), normal(2, seed=9)
    changed = net.replace(scale=scale, kind="other", nothing=Dense())
    assert (changed.scale is scale, changed.kind, net.kind) == (True, "other", "net")
    assert changed.pytree_attributes == ("encoder", "layers", "counter", "scale", "nothing")
    assert net.pytree_attributes == ("encoder", "layers", "counter", "scale")
    assert type(changed) is Net
    assert list(vars(changed)) == list(vars(net))
    with pytest.raises(pax.PurityError):
        changed.kind = "x"
    assert net.replace() == net


def test_replace_may_change_the_kind_of_an_attribute() -> None:
    box = Box(a=normal(2), b=3, c=Dense())
    changed = box.replace(a=3, b=normal(2), c=None)
    assert changed.pytree_attributes == ("b",)
    assert (changed.a, changed.c) == (3, None)


def test_replace_of_an_unknown_name() -> None:
    for name in ("wieght", "_pax", "parameters"):
        with pytest.raises(pax.StructureError) as error:
            Box(weight=normal(2)).replace(**{name: 3})
        assert str(error.value) == (
            f"Box has no attribute named '{name}'; it has: training, name, weight.\n  fix: check "
            "the name; `module.set_attribute(name, value)` adds a new one."
        )


def test_set_attribute_takes_new_names_too() -> None:
    box = Box(a=1)
    changed = box.set_attribute("b", normal(2)).set_attribute("a", 2)
    assert (changed.a, changed.pytree_attributes) == (2, ("b",))
    assert not hasattr(box, "b")


def test_replace_inside_pure_gives_a_module_apart() -> None:
    def run(box: Box) -> Any:
        box.a = 2
        other = box.replace(b=3)
        other.a = 5
        return box, other

    box, other = pax.pure(run)(Box(a=1, b=1))
    assert (box.a, box.b, other.a, other.b) == (2, 1, 5, 3)
    with pytest.raises(pax.PurityError):
        other.a = 6


def test_replace_node_finds_modules_arrays_and_containers() -> None:
    net = Net()
    dense, x = Dense(4, 4, seed=90), normal(4, seed=91)
    for node, value, get in (
        (net.encoder, dense, lambda n: n.encoder),
        (net.layers[0], dense, lambda n: n.layers[0]),
        (net.layers[2]["last"], dense, lambda n: n.layers[2]["last"]),
        (net.layers[2]["last"].bias, x, lambda n: n.layers[2]["last"].bias),
        (net.layers[2], {"other": dense}, lambda n: n.layers[2]),
        (net.layers, [dense], lambda n: n.layers),
        (net.scale, None, lambda n: n.scale),
        (net.counter, jax.nn.relu, lambda n: n.counter),
    ):
        changed = net.replace_node(node, value)
        assert get(changed) is value or get(changed) == value
        assert get(net) is node
        assert type(changed) is Net
    assert net.replace_node(net, dense) is dense


def test_replace_node_keeps_everything_else() -> None:
    net = Net()
    changed = net.replace_node(net.layers[0], Dense(4, 4, seed=90))
    assert changed.encoder is net.encoder
    assert changed.layers[1] is jax.nn.relu
    assert same_leaves(changed.layers[2], net.layers[2])
    assert changed.sizes == net.sizes


@pytest.mark.parametrize(("count", "nodes"), [(0, [3]), (2, [None, 3, None])])
def test_replace_node_wants_one_place(count: int, nodes: list[Any]) -> None:
    box = Box(parts=[normal(2), *nodes])
    with pytest.raises(ValueError) as error:
        box.replace_node(None, 3)
    assert str(error.value) == (
        f"replace_node found the node {count} times in Box; expected exactly once.\n  fix: pass "
        "the very object that stands in this module, e.g. "
        "`model.replace_node(model.head, new_head)`."
    )


def test_replace_node_goes_by_identity() -> None:
    net = Net()
    with pytest.raises(pax.StructureError, match="found the node 0 times"):
        net.replace_node(Net().encoder, Dense())
    with pytest.raises(pax.StructureError, match="found the node 0 times"):
        net.replace_node(net.encoder.copy(), Dense())


def test_replace_method_makes_a_subclass_of_the_same_name() -> None:
    def halve(self: Dense, x: jax.Array) -> jax.Array:
        return x / 2

    dense, x = Dense(), normal(3, 2)
    changed = dense.replace_method(__call__=halve, describe=lambda self: f"my {self!r}")
    assert (changed(x) == x / 2).all()
    assert changed.describe() == "my Dense(in_dim=2, out_dim=2)"
    assert isinstance(changed, Dense)
    assert type(changed) is not Dense
    assert type(changed).__name__ == "Dense"
    assert type(changed).__qualname__ == Dense.__qualname__
    assert type(changed).__module__ == Dense.__module__
    assert type(changed).__doc__ == Dense.__doc__
    assert same_leaves(changed, dense)
    assert not hasattr(dense, "describe")
    assert dense(x).shape == (3, 2)


def test_the_same_methods_make_the_same_class() -> None:
    def halve(self: Dense, x: jax.Array) -> jax.Array:
        return x / 2

    one, two = (Dense().replace_method(__call__=halve) for _ in range(2))
    assert type(one) is type(two)
    assert jax.tree.structure(one) == jax.tree.structure(two)
    assert type(one) is not type(Dense().replace_method(other=halve))
    call = jax.jit(lambda m, x: m(x))
    call(one, normal(3, 2))
    call(two, normal(3, 2))
    assert call._cache_size() == 1


def test_a_replaced_parameters_method_counts() -> None:
    def none(self: Dense) -> Dense:
        return jax.tree.map(lambda _: pax.EmptyNode(), self)

    net = Box(a=Dense().replace_method(parameters=none), b=Dense())
    assert same_leaves(net.parameters(), net.b)


def test_a_replaced_method_may_change_the_module_in_pure() -> None:
    def count(self: Counter, x: jax.Array) -> jax.Array:
        self.count = self.count + 10
        return x

    changed, _ = pax.purecall(Counter().replace_method(__call__=count), normal(2))
    assert int(changed.count) == 10


def test_replace_method_with_what_is_not_callable() -> None:
    with pytest.raises(pax.StructureError) as error:
        Dense().replace_method(__call__=3)  # type: ignore[arg-type]
    assert str(error.value) == (
        "replace_method got __call__=3, which is not callable.\n"
        "  fix: pass a function that takes the module first: __call__=lambda self, x: ..."
    )


def test_apply_goes_from_the_leaves_to_the_root() -> None:
    seen: list[str] = []

    def visit(module: Any) -> Any:
        seen.append(module.name)
        return module.replace(name=module.name.upper())

    net = Box(
        name="root",
        a=Box(name="a", deep=(Box(name="deep"),)),
        b=[max, {"x": Box(name="x")}],
    )
    changed = net.apply(visit)
    assert seen == ["deep", "a", "x", "root"]
    assert (changed.name, changed.a.deep[0].name, changed.b[1]["x"].name) == ("ROOT", "DEEP", "X")
    assert net.a.deep[0].name == "deep"
    seen.clear()
    assert net.apply_submodules(visit).name == "root"
    assert seen == ["deep", "a", "x"]


def test_apply_sees_submodules_already_changed() -> None:
    def count(module: Any) -> Any:
        below = sum(m.total for m in module.submodules())
        return module.set_attribute("total", 1 + below)

    assert Net().apply(count).total == 5


def test_apply_may_return_other_things() -> None:
    def swap(module: Any) -> Any:
        return jnp.tanh if isinstance(module, Dense) else module

    net = Box(a=Dense(), b=[Dense(), max], c=Counter())
    changed = net.apply(swap)
    assert (changed.a, changed.b) == (jnp.tanh, [jnp.tanh, max])
    assert changed.pytree_attributes == ("c",)
    assert Dense().apply(swap) is jnp.tanh
    empty = net.apply_submodules(lambda m: pax.EmptyNode())
    assert empty.a == pax.EmptyNode()


def test_apply_keeps_what_a_tree_map_put_at_the_leaves() -> None:
    net = Box(parts=[normal(2), Dense(), max], only=[normal(3), Dense(seed=1)], sizes=[1])
    axes = jax.tree.map(lambda _: 0, net)
    for changed in (axes.eval(), axes.apply(lambda m: m), pax.freeze_parameters(axes)):
        assert jax.tree.leaves(changed) == [0] * 6
        assert changed.pytree_attributes == ("parts", "only")


def test_training_mode_does_not_reach_what_is_static() -> None:
    class Config:
        training = True

    config = Config()
    net = Apply(lambda self, x: x, config=config).eval()
    assert config.training
    assert not net.training


def test_surgery_under_jit_and_on_abstract_modules() -> None:
    net = Net()

    @jax.jit
    def run(net: Net) -> Net:
        return net.replace(scale=net.scale * 2).eval().replace_node(net.encoder.bias, None)

    changed = run(net)
    np.testing.assert_array_equal(changed.scale, net.scale * 2)
    assert changed.encoder.bias is None
    assert not changed.layers[0].training
    abstract = jax.eval_shape(lambda: Net()).eval()
    assert abstract.replace(scale=None).scale is None
