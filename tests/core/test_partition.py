"""What is trainable: selecting, merging, freezing."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import pax
from tests.core.samples import Box, Counter, Dense, Net, normal, same_leaves, unchecked


def own(*names: str, **options: Any) -> type[Box]:
    """Returns a class of boxes whose own trainable attributes are named."""

    class Own(Box):
        parameters = pax.parameters_method(*names, **options)

    return Own


def test_named_attributes_are_trainable_and_others_are_not() -> None:
    box = own("a", "b")(a=normal(2), b=[normal(3), {"c": normal(1)}], d=normal(4), e="static")
    params = box.parameters()
    assert same_leaves(params, [box.a, box.b])
    assert params.d == pax.EmptyNode()
    assert params.e == "static"


@pytest.mark.parametrize("names", [("a b",), ("a", "b"), (" a   b ",), ("a b", "a")])
def test_names_may_come_in_one_string(names: tuple[str, ...]) -> None:
    box = own(*names)(a=normal(2), b=normal(3), c=normal(4))
    assert same_leaves(box.parameters(), [box.a, box.b])


def test_no_names_at_all() -> None:
    box = own()(a=normal(2), sub=Dense())
    assert same_leaves(box.parameters(), box.sub)


def test_submodules_answer_for_themselves_or_are_left_out() -> None:
    parts = {"a": normal(2), "sub": Dense(), "subs": [Counter(), {"x": Dense()}, max]}
    with_subs = own("a")(**parts)
    assert same_leaves(with_subs.parameters(), [parts["a"], parts["sub"], parts["subs"][1]["x"]])
    without = own("a", submodules=False)(**parts)
    params = without.parameters()
    assert same_leaves(params, [parts["a"]])
    assert params.sub.weight == pax.EmptyNode()
    assert params.subs[2] is max


def test_the_name_of_a_submodule_selects_its_parameters_not_its_state() -> None:
    box = own("sub")(sub=Box(dense=Dense(), counter=Counter()))
    assert same_leaves(box.parameters(), box.sub.dense)


def test_named_parts_of_a_mixed_list() -> None:
    box = own("parts")(parts=[normal(2), max, Counter()], other=[normal(3), max])
    params = box.parameters()
    assert params.parts[0] is box.parts[0]
    assert (params.parts[1], params.other[1]) == (max, max)
    assert params.other[0] == pax.EmptyNode()


def test_a_switched_off_attribute_may_be_named() -> None:
    assert jax.tree.leaves(own("bias")(bias=None).parameters()) == []


def test_an_unknown_name_is_an_error() -> None:
    box = own("a", "b c")(b=normal(2))
    with pytest.raises(pax.ArgumentError) as error:
        box.parameters()
    assert str(error.value) == (
        "parameters_method of Own names 'a', 'c', which the module does not have.\n"
        "  fix: name attributes that __init__ assigns."
    )


@pytest.mark.parametrize("names", [(3,), (["weight", "bias"],), ("weight", None)])
def test_names_are_strings(names: Any) -> None:
    wrong = next(name for name in names if not isinstance(name, str))
    with pytest.raises(ValueError) as error:
        unchecked(pax.parameters_method)(*names)
    assert str(error.value) == (
        f"parameters_method got a value of type {type(wrong).__name__}; expected names of "
        "attributes.\n"
        '  fix: write parameters = pax.parameters_method("weight", "bias") in the class.'
    )


def test_selecting_twice_changes_nothing_more() -> None:
    for module in (Net(), own("a")(a=normal(2), d=normal(3))):
        assert module.parameters().parameters() == module.parameters()


def test_update_parameters_takes_what_is_trainable_only() -> None:
    net = Net()
    other = jax.tree.map(lambda x: x + 1, net)
    updated = net.update_parameters(other)
    assert same_leaves(updated.parameters(), other.parameters())
    assert updated.scale is net.scale
    assert updated.counter.count is net.counter.count
    assert net.update_parameters(net.parameters()) == net
    assert pax.update_parameters(net, params=other.parameters()) == updated


def test_update_with_partly_empty_parameters() -> None:
    net = Dense()
    params = net.map(lambda x: x * 2).replace(bias=pax.EmptyNode())
    updated = net.update_parameters(params)
    assert updated.weight is params.weight
    assert updated.bias is net.bias


def test_merge_prefers_the_second_and_keeps_the_structure_of_the_first() -> None:
    net, other = Net(), Net()
    assert (net | other) == other
    assert (net.parameters() | other) == other
    assert ((net | other.eval()).training, (net.eval() | other).training) == (True, False)
    frozen = pax.freeze_parameters(net)
    assert type(frozen | other) is type(frozen)
    assert same_leaves(frozen | other, other)


def test_merge_of_trees_that_do_not_line_up() -> None:
    a = Box(x=normal(2), sub=Dense())
    b = Box(x=normal(2), sub=Box(weight=normal(2)), more=[normal(1)])
    with pytest.raises(pax.StructureError) as error:
        a | b
    assert str(error.value) == (
        "two trees of class Box and Box do not line up; only in the first: sub.bias; only in the "
        "second: more.0.\n  fix: combine modules of the same structure, e.g. a model and its own "
        "`parameters()`."
    )
    with pytest.raises(pax.StructureError, match="only in the first: bias, weight"):
        Dense().update_parameters(Box())  # type: ignore[arg-type]


def test_attributes_in_another_order_do_not_line_up() -> None:
    with pytest.raises(pax.StructureError) as error:
        Box(x=normal(2), y=normal(3)) | Box(y=normal(3), x=normal(2))
    assert error.value.found == (
        "two trees of class Box and Box do not line up; the first has the order x, y, the second "
        "y, x."
    )


def test_at_most_twenty_paths_are_listed() -> None:
    many = Box(x=[normal(1) for _ in range(25)])
    paths = sorted(f"x.{i}" for i in range(25))
    for combine in (
        lambda: many | Box(),
        lambda: many.update_parameters(Box()),
        lambda: pax.unfreeze_parameters(many, origin=Box()),
    ):
        with pytest.raises(pax.StructureError) as error:
            combine()
        assert error.value.found == (
            f"two trees of class Box and Box do not line up; only in the first: "
            f"{', '.join(paths[:20])} and 5 more; only in the second: (none)."
        )
    with pytest.raises(pax.StructureError) as error:
        Box(y=[normal(1) for _ in range(11)]) | many
    assert error.value.found == (
        "two trees of class Box and Box do not line up; only in the first: y.0, y.1, y.10, y.2, "
        "y.3, y.4, y.5, y.6, y.7, y.8 and 1 more; only in the second: "
        f"{', '.join(paths[:10])} and 15 more."
    )


@pytest.mark.parametrize("other", [3, None, {"weight": normal(2, 2), "bias": normal(2)}])
def test_a_module_is_combined_with_modules_only(other: Any) -> None:
    with pytest.raises(ValueError) as error:
        Dense() | other
    assert str(error.value) == (
        f"a Dense was combined with a {type(other).__name__}; expected a module.\n"
        "  fix: combine modules of the same structure: model | params."
    )


def test_update_parameters_with_what_is_no_module() -> None:
    with pytest.raises(pax.ArgumentError) as error:
        Dense().update_parameters({"weight": 1})  # type: ignore[arg-type]
    assert str(error.value) == (
        "update_parameters of Dense got dict; expected a module.\n"
        "  fix: pass what `parameters()` of such a module returned, updated by a tree map."
    )


def test_freezing_empties_everything_below_too() -> None:
    net = Box(a=Dense(), parts=[Dense(), {"n": Net()}, max], own=own("p")(p=normal(2)))
    frozen = pax.freeze_parameters(net)
    below = [frozen, frozen.a, frozen.parts[0], frozen.parts[1]["n"], frozen.own]
    below += frozen.parts[1]["n"].submodules()
    for module in below:
        assert jax.tree.leaves(module.parameters()) == []
    assert same_leaves(frozen, net)
    assert isinstance(frozen.a, Dense)
    assert type(frozen).__name__ == "Box"
    assert repr(frozen.a) == repr(net.a)
    assert len(jax.tree.leaves(net.parameters())) > 0
    x = normal(4, 2)
    assert (frozen.a(x) == net.a(x)).all()


def test_freezing_twice_is_freezing_once() -> None:
    net = Net()
    once = pax.freeze_parameters(net)
    twice = pax.freeze_parameters(once)
    assert twice == once
    assert type(twice) is type(once)
    assert type(pax.freeze_parameters(Net())) is type(once)
    call = jax.jit(lambda net, x: net(x))
    for module in (once.eval(), twice.eval(), pax.freeze_parameters(Net()).eval()):
        call(module, normal(5, 3))
    assert call._cache_size() == 1


def test_a_frozen_part_of_a_model_is_not_trained() -> None:
    net = Net()
    part = net.replace(encoder=pax.freeze_parameters(net.encoder)).eval()
    x = normal(5, 3)
    grads = pax.grad(lambda net, x: (net(x) ** 2).sum())(part, x)
    assert grads.encoder.weight == pax.EmptyNode()
    assert grads.layers[0].weight.shape == (4, 4)
    stepped = part.update_parameters(jax.tree.map(lambda p, g: p - g, ~part, grads))
    assert stepped.encoder.weight is net.encoder.weight


def test_a_frozen_state_still_changes() -> None:
    frozen = pax.freeze_parameters(Net())
    changed, _ = pax.purecall(frozen, normal(5, 3))
    assert int(changed.counter.count) == 1
    assert jax.tree.leaves(changed.parameters()) == []


def test_unfreezing_gives_back_the_structure_with_the_new_leaves() -> None:
    net = Net()
    frozen = pax.freeze_parameters(net)
    assert pax.unfreeze_parameters(frozen, origin=net) == net
    changed = jax.tree.map(lambda x: x + 1, frozen)
    thawed = pax.unfreeze_parameters(changed, origin=net)
    assert type(thawed) is Net
    assert same_leaves(thawed, changed)
    assert pax.assert_structure_equal(thawed, net)
    twice = pax.freeze_parameters(frozen)
    assert pax.unfreeze_parameters(twice, origin=net) == net
    assert pax.unfreeze_parameters(frozen.eval(), origin=net).training


def test_unfreezing_with_empty_places() -> None:
    net = Net()
    params = pax.freeze_parameters(net).parameters()
    assert pax.unfreeze_parameters(params, origin=net) == jax.tree.map(
        lambda _: pax.EmptyNode(), net
    )
    assert pax.unfreeze_parameters(pax.freeze_parameters(net), origin=~net) == net


def test_unfreezing_with_another_origin() -> None:
    with pytest.raises(pax.StructureError, match=r"in the second: counter\.count, encoder\.bias,"):
        pax.unfreeze_parameters(pax.freeze_parameters(Dense()), origin=Net())  # type: ignore


def test_numpy_abstract_and_foreign_leaves_are_selected_alike() -> None:
    class Own(pax.ParameterModule):
        def __init__(self) -> None:
            super().__init__()
            self.n = np.arange(2.0)

    assert Own().parameters().n.shape == (2,)
    abstract = jax.eval_shape(lambda net: net, Net())
    assert len(jax.tree.leaves(abstract.parameters())) == 6
    named = jax.tree.map(lambda x: str(x.shape), Net())
    assert len(jax.tree.leaves(named.parameters())) == 6
    assert pax.assert_structure_equal(named.parameters(), abstract.parameters())
