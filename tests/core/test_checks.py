"""Nothing shared, nothing hidden: checked once for a whole tree."""

from __future__ import annotations

import collections
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax._core import checks
from tests.core.samples import Box, Dense, Net, normal


def refused(build) -> str:
    with pytest.raises(pax.StructureError) as error:
        build()
    return str(error.value)


def shared(kind: str, one: str, two: str, root: str = "Box") -> str:
    own = {"module": "x.map(jnp.array)", "array": "jnp.array(x)"}[kind]
    return (
        f"{root} holds the same {kind} at two places, `{one}` and `{two}`; an update of one would "
        f"silently part them.\n  fix: give each place its own ({own}), or keep it at one place "
        "and pass it to whoever needs it."
    )


def test_a_shared_array_names_both_paths() -> None:
    x = normal(2)
    assert refused(lambda: Box(a=x, b=x)) == shared("array", "a", "b")
    assert refused(lambda: Box(a=x, b=Box(c=[x]))) == shared("array", "a", "b.c.0")
    assert refused(lambda: Box(a=[1, x, x])) == shared("array", "a.1", "a.2")
    n = np.arange(2)
    assert refused(lambda: Box(a={"p": n, "q": (n,)})) == shared("array", "a.p", "a.q.0")


def test_a_shared_module_names_both_paths() -> None:
    dense = Dense()
    assert refused(lambda: Box(a=dense, b=dense)) == shared("module", "a", "b")
    assert refused(lambda: Box(a=[dense, {"x": dense}])) == shared("module", "a.0", "a.1.x")
    assert refused(lambda: Box(a=Box(b=dense), c=dense)) == shared("module", "a.b", "c")
    assert refused(lambda: Box(a=dense, b=dense.weight)) == shared("array", "a.weight", "b")


def test_what_the_advice_says_may_stand_at_two_places() -> None:
    net, x = Net(), normal(2)
    assert Box(a=net, b=net.map(jnp.array), c=x, d=jnp.array(x)).scan_bugs()
    with pytest.raises(pax.StructureError, match="same array"):
        Box(a=net, b=net.copy())  # a copy has the same arrays


def test_a_shared_module_without_arrays_counts_too() -> None:
    act = Box()
    assert refused(lambda: Box(layers=[act, Dense(), act])) == shared(
        "module", "layers.0", "layers.2"
    )


def test_a_module_that_contains_itself() -> None:
    class Loop(pax.Module):
        def __init__(self, place: str) -> None:
            super().__init__()
            self.inner = Box(deep=[self]) if place == "deep" else self

    assert refused(lambda: Loop("self")) == shared("module", "(root)", "inner", "Loop")
    assert refused(lambda: Loop("deep")) == shared("module", "(root)", "inner.deep.0", "Loop")


def test_equal_arrays_are_not_shared_ones() -> None:
    assert Box(a=normal(2), b=normal(2)).scan_bugs()
    assert Box(a=pax.EmptyNode(), b=pax.EmptyNode()).scan_bugs()
    spec = jax.ShapeDtypeStruct((2,), jnp.float32)
    assert Box(a=spec, b=spec).scan_bugs()
    assert jax.jit(lambda: Box(a=jnp.zeros(3), b=jnp.zeros(3)))().scan_bugs()


def test_a_shared_tracer_is_caught_while_tracing() -> None:
    def run(x):
        return Box(a=x, b=x)

    assert shared("array", "a", "b") in refused(lambda: jax.jit(run)(normal(2)))


def test_checked_when_pure_ends_and_when_something_is_replaced() -> None:
    net = Box(a=Dense(), b=Box(c=normal(2)))

    def share(net: Box) -> Box:
        net.b.c = net.a.weight
        return net

    assert refused(lambda: pax.pure(share)(net)) == shared("array", "a.weight", "b.c")
    assert refused(lambda: net.replace(b=net.a)) == shared("module", "a", "b")
    assert refused(lambda: net.set_attribute("d", net.b)) == shared("module", "b", "d")
    assert refused(lambda: net.replace_node(net.b.c, net.a.bias)) == shared(
        "array", "a.bias", "b.c"
    )
    assert net.scan_bugs() is net


def test_a_module_that_is_returned_and_was_no_argument_is_checked_too() -> None:
    def share(net: Box) -> Box:
        net.part = made = Box(a=Dense(), b=None)
        net.part = None
        made.b = made.a
        return made

    assert refused(lambda: pax.pure(share)(Box())) == shared("module", "a", "b")


def test_a_module_that_was_not_returned_is_checked_too() -> None:
    def share(net: Box) -> int:
        net.b = net.a
        return 3

    assert refused(lambda: pax.pure(share)(Box(a=Dense(), b=None))) == shared("module", "a", "b")


def test_one_object_in_two_trees_is_no_sharing() -> None:
    dense = Dense()
    one, two = Box(a=dense), Box(a=dense)
    assert one.a is two.a
    out = pax.pure(lambda m, n: [m, n])(one, one)
    assert out[0].a.weight is out[1].a.weight


HIDDEN: dict[str, Any] = {
    "method": lambda m: m.__call__,
    "partial": lambda m: functools.partial(m, 1),
    "set": lambda m: {m},
    "frozenset": lambda m: frozenset({m}),
    "deque": lambda m: collections.deque([m]),
}


@pytest.mark.parametrize("kind", HIDDEN)
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [1, x], lambda x: [normal(2), {"a": x}]])
def test_a_hidden_module(kind: str, wrap: Any) -> None:
    assert refused(lambda: Box(a=wrap(HIDDEN[kind](Dense())))) == (
        f"Box holds a Dense inside a {kind}, where JAX cannot see its arrays.\n"
        "  fix: keep the module itself as an attribute, or in a list, tuple or dict."
    )


def test_more_ways_to_hide() -> None:
    dense = Dense()
    for value in (
        functools.partial(max, dense),
        functools.partial(max, key=dense),
        functools.partial(dense.__call__, 1),
    ):
        assert "holds a Dense inside a partial" in refused(lambda value=value: Box(a=value))


def test_a_dict_that_jax_cannot_order() -> None:
    for value, kind in ((Dense(), "Dense"), (np.arange(2), "ndarray"), ([Dense()], "Dense")):
        text = refused(lambda value=value: Box(a={1: value, "b": 2}))
        assert text == (
            f"Box holds a {kind} inside a dict, where JAX cannot see its arrays.\n"
            "  fix: give the dict keys of one type, so that JAX can order them."
        )
    assert Box(a={1: "x", "b": 2, None: 3}).a == {1: "x", "b": 2, None: 3}


def class_with(**body: Any) -> type[pax.Module]:
    return type(pax.Module)("Odd", (pax.Module,), body)


@pytest.mark.parametrize(
    "value", [normal(2), np.arange(2), Dense(), [normal(2)], {"a": (1, Dense())}, (np.arange(2),)]
)
def test_an_array_or_module_in_a_class_attribute(value: Any) -> None:
    text = (
        "Odd.table is a class attribute that holds an array or a module; class attributes are not "
        "fields, so it would never be trained or saved.\n  fix: assign `self.table = ...` in "
        "__init__."
    )
    cls = class_with(table=value)
    assert refused(cls) == text
    assert refused(cls) == text  # each time, not only the first


def test_class_attributes_inherited_or_mixed_in() -> None:
    class Mixin:
        table = normal(2)

    class Before(Mixin, pax.Module):
        """The mixin stands before the module."""

    class After(pax.Module, Mixin):
        """The mixin stands after the module."""

    for cls in (Before, After):
        assert refused(cls).startswith(f"{cls.__name__}.table is a class attribute")


@pytest.mark.parametrize("value", [3, "a", max, {}, {1: 2, "a": 3}, [1, "x"], None, Dense])
def test_other_class_attributes_are_fine(value: Any) -> None:
    assert class_with(table=value)().table == value
    assert class_with(table=value)().pytree_attributes == ()


def test_checks_run_once_for_the_whole_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    visits = [0]
    collect = checks._collect

    def counted(*args: Any) -> bool:
        visits[0] += 1
        return collect(*args)

    monkeypatch.setattr(checks, "_collect", counted)

    class Deep(pax.Module):
        def __init__(self, depth: int) -> None:
            super().__init__()
            self.layers = [Dense(seed=i) for i in range(depth)]

    Deep(200)
    assert visits[0] == 201


def test_many_levels() -> None:
    net: pax.Module = Dense()
    for _ in range(100):
        net = Box(inner=net)
    assert len(jax.tree.leaves(net)) == 2
    assert net.copy() == net


def test_a_container_that_makes_its_leaves_anew() -> None:
    """Leaves that live only while they are looked at never pass for one another."""

    @jax.tree_util.register_pytree_node_class
    class Fresh:
        def tree_flatten(self):
            return tuple(np.arange(2) + i for i in range(3)), None

        @classmethod
        def tree_unflatten(cls, _, __):
            return cls()

    assert Box(fresh=[Fresh() for _ in range(20)]).scan_bugs()


def test_scan_bugs_finds_what_came_past_the_checks() -> None:
    """Two places become one without a constructor, `pure` or `replace`."""
    x = normal(2)
    same = jax.tree.map(lambda _: x, Dense())
    assert refused(same.scan_bugs) == shared("array", "weight", "bias", "Dense")
    box = Box(a=Dense(), parts=[Dense(seed=5)])
    box.parts.append(box.a)
    assert refused(box.scan_bugs) == shared("module", "a", "parts.1")


def test_scan_bugs_of_a_sound_module() -> None:
    net = Net()
    assert net.scan_bugs() is net
