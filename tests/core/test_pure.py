"""pure, purecall, module_and_value, mutable: changes that nobody outside sees."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import pax
from pax.experimental import mutable
from tests.core.samples import Apply, Box, Counter, Dense, Net, normal, same_leaves, unchecked


def state(module: pax.Module) -> list[Any]:
    """Returns everything that a change could touch: leaves, structure, mutability."""
    return [*map(id, jax.tree.leaves(module)), str(jax.tree.structure(module))]


def test_the_callers_module_never_changes() -> None:
    net = Net()
    before = state(net)

    def run(net: Net) -> Net:
        net.encoder.weight = net.encoder.weight * 2
        net.layers[0].bias = None
        net.layers[2]["new"] = Dense(seed=50)
        net.layers[2]["last"].name = "changed"
        net.layers.append(jnp.sin)
        net.sizes.append(7)
        net.scale = None
        net.nothing = Dense(seed=60)
        net.kind = "other"
        net.training = False
        net.new = normal(2)
        return net

    changed = pax.pure(run)(net)
    assert state(net) == before
    assert changed.pytree_attributes == (
        "encoder", "layers", "counter", "nothing", "new",
    )  # fmt: skip
    assert (changed.kind, changed.training, changed.sizes) == ("other", False, [3, 4, 2, 7])
    assert changed.layers[2]["last"].name == "changed"
    assert changed.layers[3] is jnp.sin
    assert (changed.encoder.weight == net.encoder.weight * 2).all()
    with pytest.raises(pax.PurityError):
        changed.kind = "late"
    with pytest.raises(pax.PurityError):
        changed.nothing.name = "late"


KINDS = {
    "module to none": (Dense(), None, ()),
    "none to module": (None, Dense(), ("x",)),
    "array to int": (normal(2), 3, ()),
    "int to array": (3, normal(2), ("x",)),
    "array to list": (normal(2), [normal(1), normal(3)], ("x",)),
    "list to mixed": ([normal(2)], [normal(2), max], ("x",)),
    "mixed to static": ([normal(2), max], [1, max], ()),
    "static to empty": ([1], [], ()),
    "empty to list": ([], [Dense()], ("x",)),
    "array to empty node": (normal(2), pax.EmptyNode(), ("x",)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_attribute_that_changes_kind(kind: str) -> None:
    old, new, children = KINDS[kind]

    def run(box: Box) -> Box:
        box.x = new
        assert box.pytree_attributes == children
        return box

    box = Box(x=old)
    changed = pax.pure(run)(box)
    assert changed.pytree_attributes == children
    arrays = [x for x in jax.tree.leaves(new) if isinstance(x, jax.Array)]
    assert same_leaves(changed, arrays)
    assert pax.pure(lambda box: box)(changed).pytree_attributes == children
    assert jax.jit(lambda box: box)(changed).pytree_attributes == children


def test_containers_changed_in_place() -> None:
    def run(box: Box) -> Box:
        box.empty.append(Dense(seed=1))
        box.full.clear()
        box.arrays[0] = 5
        box.table["new"] = normal(2, seed=3)
        return box

    box = Box(empty=[], full=[Dense()], arrays=[normal(2)], table={"a": normal(1)})
    changed = pax.pure(run)(box)
    assert changed.pytree_attributes == ("empty", "table")
    assert (changed.full, changed.arrays) == ([], [5])
    assert box.pytree_attributes == ("full", "arrays", "table")
    assert list(box.table) == ["a"]


def test_arguments_of_every_kind() -> None:
    def run(a: Box, rest: Any, *more: Any, key: Any = None) -> Any:
        for box in (a, rest["b"][0], more[0], key[1]):
            box.x = box.x + 1
        rest["b"].append(3)
        return a, rest, more, key

    boxes = [Box(x=i) for i in range(4)]
    tree = {"b": [boxes[1]]}
    a, rest, more, key = pax.pure(run)(boxes[0], tree, boxes[2], "text", key=(1, boxes[3]))
    assert [a.x, rest["b"][0].x, more[0].x, key[1].x] == [1, 2, 3, 4]
    assert [box.x for box in boxes] == [0, 1, 2, 3]
    assert tree == {"b": [boxes[1]]}
    assert more[1] == "text"


def test_arguments_without_modules_are_passed_as_they_are() -> None:
    data = [1, {"x": normal(2)}]
    odd = {1: "a", "b": 2}
    assert pax.pure(lambda *args: args)(data, odd, None) == (data, odd, None)
    assert pax.pure(lambda data: data is not None)(data)
    assert pax.pure(lambda x: x)(data) is data


def test_methods_modules_and_partials() -> None:
    class Steps(Counter):
        def step(self, n: int = 1) -> Any:
            self.count = self.count + n
            return self

    steps, x = Steps(), normal(2)
    assert int(pax.pure(steps.step)(3).count) == 3
    assert int(pax.pure(Steps.step)(steps, n=2).count) == 2
    assert pax.pure(steps)(x) is x
    assert int(pax.pure(functools.partial(Steps.step, n=5))(steps).count) == 5
    assert int(steps.count) == 0
    with pytest.raises(pax.ArgumentError) as error:
        unchecked(pax.pure)(3)
    assert str(error.value) == (
        "pax.pure got 3, which cannot be called.\n"
        "  fix: pass a function, a method of a module, or a callable module."
    )


def test_a_pure_function_keeps_its_name() -> None:
    @pax.pure
    def step(net: Net) -> Net:
        """Steps."""
        return net

    assert (step.__name__, step.__doc__) == ("step", "Steps.")


def test_purecall() -> None:
    net, x = Net(), normal(5, 3)
    changed, y = pax.purecall(net, x)
    assert (int(changed.counter.count), int(net.counter.count)) == (1, 0)
    assert y.shape == (5, 2)
    keyed = Apply(lambda self, x: x)
    assert pax.purecall(keyed, 3)[1] == 3
    with pytest.raises(pax.ArgumentError) as error:
        unchecked(pax.purecall)(max, 1)
    assert str(error.value) == (
        "pax.purecall got builtin_function_or_method as its first argument; expected a module.\n"
        "  fix: pass the module itself: pax.purecall(model, x)."
    )


def test_module_and_value_of_a_module_a_method_and_a_function() -> None:
    class Steps(Counter):
        def add(self, n: int) -> int:
            self.count = self.count + n
            return n

        @pax.module_and_value
        def twice(self, n: int) -> int:
            """Adds twice."""
            return self.add(n) + self.add(n)

    def outside(steps: Steps, n: int, *, m: int = 0) -> int:
        return steps.add(n + m)

    steps, x = Steps(), normal(2)
    for run, count, out in (
        (lambda: pax.module_and_value(steps)(x), 1, x),
        (lambda: pax.module_and_value(steps.add)(4), 4, 4),
        (lambda: pax.module_and_value(steps.add)(n=5), 5, 5),
        (lambda: pax.module_and_value(outside)(steps, 1, m=2), 3, 3),
        (lambda: steps.twice(3), 6, 6),
        (lambda: Steps.twice(steps, 2), 4, 4),
    ):
        changed, value = run()
        assert (int(changed.count), value is out or value == out) == (count, True)
        assert type(changed) is Steps
    assert int(steps.count) == 0
    assert steps.twice.__doc__ == "Adds twice."
    for call, text in (
        (lambda: pax.module_and_value(outside)(3), "got int as its first argument"),
        (lambda: unchecked(pax.module_and_value)(3), "got 3, which cannot be called"),
    ):
        with pytest.raises(pax.ArgumentError, match=text):
            call()


def test_nested_pure_gives_the_inner_one_copies_of_its_own() -> None:
    def inner(box: Box) -> Box:
        box.x = 10
        return box

    def outer(box: Box) -> Any:
        box.x = 5
        changed = pax.pure(inner)(box)
        assert (box.x, changed.x) == (5, 10)
        with pytest.raises(pax.PurityError):
            changed.x = 11
        box.x = 6
        box.sub = pax.pure(inner)(box.sub)
        return box, changed

    box = Box(x=1, sub=Box(x=2))
    out, changed = pax.pure(outer)(box)
    assert (out.x, out.sub.x, changed.x, box.x, box.sub.x) == (6, 10, 10, 1, 2)


def test_a_stateful_call_inside_a_pure_call_updates_the_tree() -> None:
    net = Apply(lambda self, x: self.counter(self.counter(x)), counter=Counter())
    changed, _ = pax.purecall(net, normal(2))
    assert int(changed.counter.count) == 2


def test_an_exception_ends_the_permission_and_passes() -> None:
    kept: list[Any] = []

    def run(net: Net) -> None:
        kept.extend([net, net.layers[0]])
        net.kind = "changed"
        raise KeyError("stop")

    net = Net()
    with pytest.raises(KeyError, match="stop"):
        pax.pure(run)(net)
    for module in kept:
        with pytest.raises(pax.PurityError):
            module.name = "late"
    assert (net.kind, kept[0].kind) == ("net", "changed")
    assert kept[0].pytree_attributes == net.pytree_attributes
    assert pax.purecall(net, normal(5, 3))[1].shape == (5, 2)


def test_copies_that_got_away_are_sealed() -> None:
    kept: list[Any] = []

    def run(net: Net) -> int:
        kept.extend([net, net.layers[2]["last"]])
        return 3

    pax.pure(run)(Net())
    for module in kept:
        with pytest.raises(pax.PurityError):
            module.name = "late"


def test_a_function_that_pure_did_not_run_has_no_permission() -> None:
    def run(box: Box) -> Any:
        return lambda: setattr(box, "x", 2)

    with pytest.raises(pax.PurityError):
        pax.pure(run)(Box(x=1))()


def test_generators_have_no_permission_later() -> None:
    def run(box: Box) -> Any:
        box.x = 2
        yield box
        box.x = 3
        yield box

    with pytest.raises(pax.PurityError):
        pax.pure(lambda box: run(box).__next__)(Box(x=1))()


def test_mutable() -> None:
    net = Net()
    with mutable(net) as changed:
        changed.kind = "other"
        changed.layers[0].bias = None
        changed.layers.append(Dense(seed=5))
        assert changed is not net
    assert (net.kind, len(net.layers)) == ("net", 3)
    assert (changed.kind, len(changed.layers), changed.layers[0].bias) == ("other", 4, None)
    with pytest.raises(pax.PurityError):
        changed.kind = "late"
    assert same_leaves(changed.encoder, net.encoder)


def test_mutable_is_checked_and_sealed_whatever_happens() -> None:
    net = Net()
    with (
        pytest.raises(pax.StructureError, match="`encoder` and `scale`"),
        mutable(net) as changed,
    ):
        changed.scale = changed.encoder
    with pytest.raises(KeyError), mutable(net) as changed:
        raise KeyError
    with pytest.raises(pax.PurityError):
        changed.kind = "late"
    refuse = pytest.raises(pax.ArgumentError, match="mutable got int; expected a module")
    with refuse, contextlib.contextmanager(unchecked(mutable))(3):
        pass


def test_two_mutable_copies_at_once() -> None:
    box = Box(x=1)
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(mutable(box))
        two = stack.enter_context(mutable(one))
        one.x, two.x = 2, 3
    assert (box.x, one.x, two.x) == (1, 2, 3)


def test_attributes_of_a_draft_may_be_read_like_those_of_a_module() -> None:
    def run(net: Net) -> Net:
        net.new = normal(3)
        assert "new" in net.pytree_attributes
        assert len(jax.tree.leaves(net)) == 9
        assert len(net.submodules()) == 4
        assert net == net
        assert isinstance(hash(net), int)
        assert net.copy() == net
        assert len(jax.tree.leaves(net.parameters())) == 6
        assert not net.eval().training
        assert net.summary()
        net.replace(kind="x")
        net.replace(kind="x").kind = "y"
        assert net.kind == "net"
        return net

    assert pax.pure(run)(Net()).new.shape == (3,)


def test_an_iterator_among_the_arguments_is_passed_as_it_is() -> None:
    @pax.pure
    def run(pair: tuple[Box, Iterator[int]], more: Iterator[int]) -> Box:
        box, stream = pair
        box.seen = [*stream, *more]
        return box

    assert run((Box(), iter([1, 2])), enumerate([3])).seen == [1, 2, (0, 3)]
