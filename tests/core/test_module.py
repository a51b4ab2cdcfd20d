"""The base class: construction, change, look, and whole trees."""

from __future__ import annotations

import weakref
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.core.samples import Apply, Box, Counter, Dense, Net, normal, same_leaves


def test_super_init_may_be_forgotten() -> None:
    class Forgetful(pax.Module):
        def __init__(self) -> None:
            self.weight = normal(2)

    module = Forgetful()
    assert (module.training, module.name) == (True, None)
    assert module.pytree_attributes == ("weight",)
    assert not module.eval().training


def test_super_init_may_come_late() -> None:
    class Late(pax.Module):
        def __init__(self) -> None:
            self.weight = normal(2)
            super().__init__(training=False, name="late")

    assert (Late().training, Late().name) == (False, "late")
    assert Late().pytree_attributes == ("weight",)


def test_no_init_at_all() -> None:
    class Bare(pax.Module):
        """Nothing."""

    assert jax.tree.leaves(Bare()) == []
    assert Bare(training=False, name="b").name == "b"
    assert jax.tree.structure(pax.Module()) == jax.tree.structure(pax.Module())


def test_init_takes_keywords_only() -> None:
    with pytest.raises(TypeError):
        pax.Module(True)


def test_a_failed_constructor_leaves_nothing_behind() -> None:
    caught: list[Any] = []

    class Failing(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            caught.append(self)
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        Failing()
    with pytest.raises(pax.PurityError):
        caught[0].x = 1
    shared = normal(2)
    with pytest.raises(pax.StructureError):
        Box(a=shared, b=shared)  # checked: the failed constructor does not count as running


def test_a_module_can_be_changed_in_its_own_constructor_only() -> None:
    class Outer(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Box(x=1)
            self.inner.x = 2

    with pytest.raises(pax.PurityError, match="setting `x` of Box was tried outside"):
        Outer()


def test_attributes_may_be_read_changed_and_deleted_in_the_constructor() -> None:
    class Busy(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = []
            for i in range(3):
                self.layers.append(Dense(seed=i))
            self.count = 0
            self.count += len(self.layers)
            self.scratch = "x"
            del self.scratch
            self.flip = normal(2)
            self.flip = None
            self.leaves = len(jax.tree.leaves(self))

    module = Busy()
    assert module.pytree_attributes == ("layers",)
    assert (module.count, module.flip, module.leaves) == (3, None, 6)
    assert not hasattr(module, "scratch")


def test_a_child_cannot_be_deleted_even_in_the_constructor() -> None:
    class Hasty(pax.Module):
        def __init__(self) -> None:
            self.weight = normal(2)
            del self.weight

    with pytest.raises(ValueError) as error:
        Hasty()
    assert str(error.value) == (
        "deleting `weight` of Hasty: it is a child, and children cannot be deleted.\n"
        "  fix: set it to None instead: self.weight = None."
    )


@pytest.mark.parametrize("name", ["kind", "new", "scale", "training", "encoder"])
def test_setting_and_deleting_outside(name: str) -> None:
    net = Net()
    before = str(jax.tree.structure(net))
    for what, change in (
        ("setting", lambda: setattr(net, name, normal(3))),
        ("deleting", lambda: delattr(net, name)),
    ):
        with pytest.raises(ValueError) as error:
            change()
        assert str(error.value) == (
            f"{what} `{name}` of Net was tried outside `pax.pure`; a module does not change, and "
            "the update would be lost.\n  fix: run it as `module, out = pax.purecall(module, "
            "...)`, or switch the module to `module.eval()`; for a one-off edit use "
            "`module.replace(...)`."
        )
    assert str(jax.tree.structure(net)) == before


def test_deleting_inside_pure() -> None:
    def run(net: Net) -> Net:
        del net.kind
        with pytest.raises(pax.PurityError) as error:
            del net.scale
        assert str(error.value) == (
            "deleting `scale` of Net: it is a child, and children cannot be deleted.\n"
            "  fix: set it to None instead: self.scale = None."
        )
        with pytest.raises(AttributeError):
            del net.unknown
        net.scale = None
        del net.scale
        return net

    net = Net()
    changed = pax.pure(run)(net)
    assert not hasattr(changed, "kind")
    assert not hasattr(changed, "scale")
    assert net.kind == "net"


def test_equality_is_structure_and_the_same_arrays() -> None:
    net = Net()
    assert net == net
    assert net == net.copy()
    assert net != jax.tree.map(lambda x: x + 0, net)
    assert net != Net()
    assert net != net.eval()
    assert net == net.eval().train()
    assert net != net.replace(kind="other")
    assert net != 3
    assert Dense() != Box()
    assert (net == None) is False  # noqa: E711


def test_hash_depends_on_structure_shapes_and_dtypes() -> None:
    net = Net()
    assert hash(net) == hash(net.copy()) == hash(Net())
    assert hash(net) == hash(jax.tree.map(lambda x: x + 1, net))
    assert hash(net) != hash(net.replace(scale=normal(3)))
    assert hash(net) != hash(net.replace(scale=normal(2).astype(jnp.bfloat16)))
    assert len({net, net.copy(), Net()}) == 2
    assert isinstance(hash(Box(k=jax.random.key(0), n=np.arange(2), e=pax.EmptyNode())), int)
    assert isinstance(hash(jax.tree.map(lambda _: "s", net)), int)


def test_hash_agrees_between_numpy_and_jax_arrays_of_one_shape() -> None:
    x = np.arange(3, dtype=np.float32)
    assert hash(Box(x=x)) == hash(Box(x=jnp.asarray(x)))


def test_weak_references() -> None:
    net = Net()
    watch = weakref.ref(net)
    assert watch() is net
    del net
    import gc

    gc.collect()
    assert watch() is None


def test_repr() -> None:
    assert repr(Dense(2, 3)) == "Dense(in_dim=2, out_dim=3)"
    assert repr(Dense(2, 3, name="fc1")) == "(fc1) Dense(in_dim=2, out_dim=3)"
    assert repr(Box()) == "Box"
    assert repr(Box(name="b")) == "(b) Box"

    class Custom(pax.Module):
        def __repr__(self) -> str:
            return self._repr({"a": 1, "b": None, "c": "x", "d": False})

    assert repr(Custom()) == "Custom(a=1, c=x, d=False)"


def test_train_and_eval_reach_everything_and_change_nothing() -> None:
    net = Box(a=Dense(), b=[Dense(seed=1), (max, {"c": Counter()})], d=Box(e=Box()))
    evaluated = net.eval()
    below = [evaluated, evaluated.a, evaluated.b[0], evaluated.b[1][1]["c"], evaluated.d.e]
    assert not any(m.training for m in below)
    assert evaluated.b[1][0] is max
    assert net.training
    assert net.b[1][1]["c"].training
    assert same_leaves(net, evaluated)
    assert evaluated.train() == net
    assert type(evaluated) is Box


def test_submodules_are_direct_and_in_order() -> None:
    net = Net()
    found = net.submodules()
    assert [id(m) for m in found] == [
        id(m) for m in (net.encoder, net.layers[0], net.layers[2]["last"], net.counter)
    ]
    assert Dense().submodules() == []


def test_copy_shares_arrays_only() -> None:
    net = Net()
    copied = net.copy()
    assert copied == net
    assert type(copied) is Net
    ours, theirs = [net, *net.submodules()], [copied, *copied.submodules()]
    assert not {id(m) for m in ours} & {id(m) for m in theirs}
    assert copied.layers is not net.layers
    assert copied.sizes is not net.sizes


def test_map_over_leaves() -> None:
    net = Net()
    doubled = net.map(lambda x: x * 2)
    np.testing.assert_array_equal(doubled.scale, net.scale * 2)
    total = net.map(lambda x, y, z: x + y - z, doubled, net)
    np.testing.assert_allclose(total.encoder.weight, doubled.encoder.weight, rtol=1e-6, atol=1e-6)
    assert pax.assert_structure_equal(total, net)
    with_none = net.map(lambda x, y: x if y == pax.EmptyNode() else None, ~net)
    assert same_leaves(with_none, [net.counter, net.scale])


OTHERS = {
    "mode": (lambda net: net.eval(), "`training`: True against False, `sub.training`: True against "
             "False, `parts.0.training`: True against False"),
    "switched off": (
        lambda net: net.replace(sub=net.sub.replace(bias=None)),
        "`sub.bias`: arrays or modules against None",
    ),
    "shorter": (lambda net: net.replace(parts=[]), "`parts`: arrays or modules against []"),
    "no module": (lambda net: {"sub": 1}, "`(root)`: Box against dict"),
    "nothing": (lambda net: None, "`(root)`: Box against NoneType"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_map_over_trees_that_do_not_line_up(name: str) -> None:
    make, text = OTHERS[name]
    net = Box(sub=Dense(), parts=[Dense(seed=5)])
    with pytest.raises(ValueError) as error:
        net.map(lambda x, y, z: x, net, make(net))
    assert str(error.value) == (
        f"map of Box got a tree of another structure; its own against the other: {text}.\n"
        "  fix: map over modules of the same structure and mode, e.g. a model and its copy."
    )


def test_map_lists_at_most_twenty_differences() -> None:
    many = Box(parts=[Dense(seed=i) for i in range(30)])
    modes = ", ".join(
        f"`{path}training`: True against False"
        for path in ["", *(f"parts.{i}." for i in range(19))]
    )
    with pytest.raises(pax.StructureError) as error:
        many.map(lambda x, y: x, many.eval())
    assert error.value.found == (
        "map of Box got a tree of another structure; its own against the other: "
        f"{modes} and 11 more."
    )


def test_an_error_of_the_mapped_function_passes_as_it_is() -> None:
    def fail(x: jax.Array) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        Dense().map(fail)


def test_percent_is_module_and_value() -> None:
    net, x = Net(), normal(4, 3, seed=1)
    changed, y = net % x
    assert (int(changed.counter.count), int(net.counter.count)) == (1, 0)
    assert (y == net.eval()(x)).all()
    assert (net.layers[0] % normal(2, 4))[1].shape == (2, 4)
    add = Apply(lambda self, *args: args)
    assert (add % ())[1] == ()
    assert (add % (1, 2, 3))[1] == (1, 2, 3)
    assert (add % ((1, 2),))[1] == ((1, 2),)
    assert (add % [1, 2])[1] == ([1, 2],)


def test_tilde_is_parameters_and_bar_puts_them_back() -> None:
    net = Net()
    assert ~net == net.parameters()
    assert (net | ~net) == net
    other = net.map(lambda x: x + 1)
    mixed = net | ~other
    assert mixed.encoder.weight is other.encoder.weight
    assert mixed.scale is net.scale
    assert mixed.counter.count is net.counter.count


def test_the_signature_of_a_class_is_that_of_its_constructor() -> None:
    import inspect

    assert list(inspect.signature(Dense).parameters) == ["in_dim", "out_dim", "seed", "name"]
    assert list(inspect.signature(pax.Module).parameters) == ["training", "name"]
    assert list(inspect.signature(Dense()).parameters) == ["x"]
    assert "Dense" in (Dense.__call__.__qualname__)
