"""State dicts: arrays by name, and back, exactly."""

from __future__ import annotations

import collections
import pickle
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax.io import from_state_dict
from tests.core.samples import Box, Counter, Dense, Net, normal, same_leaves, unchecked
from tests.counting import count_compilations


class Pair(NamedTuple):
    left: Any
    right: Any


def everything() -> Box:
    """Returns a module with each kind of container."""
    return Box(
        x=normal(2),
        sub=Dense(),
        parts=[normal(3), {"d": Dense(seed=5), "f": max}, None, jax.nn.relu, "text", 3],
        pair=Pair(normal(1), [Dense(seed=7)]),
        ordered=collections.OrderedDict(z=normal(2, seed=1), a=(Dense(seed=9), max)),
        default=collections.defaultdict(list, k=normal(4)),
        by_number={2: normal(2, seed=3), 1: Dense(seed=11)},
        partial=jax.tree_util.Partial(jnp.add, normal(3, seed=4)),
        empty=pax.EmptyNode(),
        sizes=[1, 2],
        kind="static",
        numpy=np.arange(3),
        key=jax.random.key(0),
    )


def test_arrays_come_by_attribute_name() -> None:
    net = Net()
    state = net.state_dict()
    assert list(state) == ["encoder", "layers", "counter", "scale"]
    assert list(state["encoder"]) == ["weight", "bias"]
    assert state["encoder"]["weight"] is net.encoder.weight
    assert state["layers"][0]["bias"] is net.layers[0].bias
    assert state["layers"][1] is None
    assert state["layers"][2]["last"]["weight"] is net.layers[2]["last"].weight
    assert state["counter"] == {"count": net.counter.count}


def test_containers_keep_their_kind_and_what_is_static_is_none() -> None:
    state = everything().state_dict()
    assert state["parts"][2:] == [None, None, None, None]
    assert state["parts"][1]["f"] is None
    assert type(state["pair"]) is Pair
    assert type(state["ordered"]) is collections.OrderedDict
    assert type(state["default"]) is collections.defaultdict
    assert state["empty"] is None
    assert "sizes" not in state
    assert "kind" not in state


def test_a_state_dict_has_no_module_in_it() -> None:
    leaves = jax.tree.leaves(everything().state_dict())
    assert all(isinstance(x, (jax.Array, np.ndarray)) for x in leaves)
    assert len(leaves) == len(jax.tree.leaves(everything()))


@pytest.mark.parametrize(
    "build",
    [Net, everything, lambda: Net().parameters(), lambda: pax.freeze_parameters(Net()), Box],
)
def test_the_round_trip_is_exact(build: Any) -> None:
    module = build()
    loaded = module.load_state_dict(module.state_dict())
    assert loaded == module
    assert type(loaded) is type(module)
    assert same_leaves(loaded, module)


def test_the_round_trip_into_another_module() -> None:
    source, target = Net().map(lambda x: x + 1), Net()
    loaded = target.load_state_dict(source.state_dict())
    assert loaded == source
    assert (target.scale != source.scale).all()
    assert loaded.eval() == target.eval().load_state_dict(source.state_dict())


def test_the_round_trip_through_numpy_and_pickle() -> None:
    net = Net()
    state = pickle.loads(pickle.dumps(jax.tree.map(np.asarray, net.state_dict())))
    loaded = net.load_state_dict(state)
    assert pax.assert_structure_equal(loaded, net)
    for x, y in zip(jax.tree.leaves(loaded), jax.tree.leaves(net), strict=True):
        assert isinstance(x, jax.Array)
        assert x.dtype == y.dtype
        assert (x == y).all()


def test_host_arrays_become_those_of_the_module() -> None:
    box = Box(j=normal(2), n=np.arange(2))
    state = {"j": np.arange(2.0), "n": np.arange(2) + 1}
    loaded = box.load_state_dict(state)
    assert (type(loaded.n), loaded.n is state["n"]) == (np.ndarray, True)
    assert isinstance(loaded.j, jax.Array)
    assert loaded.j.dtype == jnp.float32  # as jnp.asarray makes of float64
    with (
        jax.enable_x64(True),
        pytest.raises(pax.StructureError, match=r"j: float64\[2\] for float32"),
    ):
        box.load_state_dict(state)
    abstract = jax.eval_shape(lambda box: box, Box(j=normal(2)))
    assert isinstance(abstract.load_state_dict({"j": np.ones(2)}).j, jax.Array)


def test_loading_into_an_abstract_module() -> None:
    net = Net()
    abstract = jax.eval_shape(lambda net: net, net)
    assert abstract.load_state_dict(net.state_dict()) == net
    assert abstract.state_dict()["scale"] == jax.ShapeDtypeStruct((2,), jnp.float32)


def test_lists_and_tuples_may_stand_for_each_other() -> None:
    box = Box(t=(normal(2), normal(3)), n=Pair(normal(1), Dense()))
    state = box.state_dict()
    loaded = box.load_state_dict({"t": list(state["t"]), "n": tuple(state["n"])})
    assert loaded == box
    assert (type(loaded.t), type(loaded.n)) == (tuple, Pair)


def test_loading_works_inside_pure_and_jit() -> None:
    net, other = Net(), Net().map(lambda x: x * 2)

    def load(net: Net, state: Any) -> Net:
        net.kind = "loaded"
        return net.load_state_dict(state)

    loaded = jax.jit(pax.pure(load))(net, other.state_dict())
    assert loaded.kind == "loaded"
    assert (loaded.scale == other.scale).all()


PROBLEMS = {
    "missing": (lambda s: s["sub"].pop("weight"), "sub.weight: missing"),
    "missing module": (lambda s: s.pop("sub"), "sub: missing"),
    "missing key": (lambda s: s["table"].pop("b"), "table.b: missing"),
    "unknown": (lambda s: s["sub"].update(wieght=normal(2)), "sub.wieght: unknown"),
    "unknown key": (lambda s: s["table"].update(c=normal(2)), "table.c: unknown"),
    "static": (lambda s: s.update(kind="x"), "kind: unknown"),
    "shape": (
        lambda s: s["sub"].update(weight=normal(2, 3)),
        "sub.weight: float32[2,3] for float32[2,2]",
    ),
    "dtype": (
        lambda s: s["sub"].update(bias=normal(2).astype(jnp.bfloat16)),
        "sub.bias: bfloat16[2] for float32[2]",
    ),
    "host dtype": (
        lambda s: s["sub"].update(bias=np.arange(2)),
        "sub.bias: int32[2] for float32[2]",
    ),
    "key": (
        lambda s: s["table"].update(a=jax.random.key(0)),
        "table.a: key<fry>[] for float32[2]",
    ),
    "no array": (
        lambda s: s["sub"].update(bias="x"),
        "sub.bias: a str of length 1 for float32[2]",
    ),
    "nothing": (lambda s: s["sub"].update(bias=None), "sub.bias: None for float32[2]"),
    "no module": (lambda s: s.update(sub=normal(2)), "sub: float32[2] for a module"),
    "length": (lambda s: s["parts"].append(1), "parts: a list of length 4 for a list of length 3"),
    "kind": (
        lambda s: s.update(table=[1]),
        "table: a list of length 1 for a dict of length 2",
    ),
    "in a list": (
        lambda s: s["parts"].__setitem__(1, normal(1)),
        "parts.1: float32[1] for a module",
    ),
    "for what is static": (
        lambda s: s["parts"].__setitem__(2, normal(1)),
        "parts.2: float32[1] for None",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_does_not_fit_is_named(name: str) -> None:
    change, problem = PROBLEMS[name]
    box = Box(
        sub=Dense(),
        table={"a": normal(2), "b": Counter()},
        parts=[normal(2), Dense(seed=3), max],
        kind="static",
    )
    state = box.state_dict()
    change(state)
    with pytest.raises(ValueError) as error:
        box.load_state_dict(state)
    assert str(error.value) == (
        f"the state dict does not fit Box: {problem}.\n"
        "  fix: save and load with modules built by the same constructor arguments; cast them, "
        "or apply a precision policy, after loading."
    )


def test_all_problems_are_listed_at_once() -> None:
    net = Net()
    with pytest.raises(pax.StructureError) as error:
        net.load_state_dict({"layers": net.state_dict()["layers"][:2], "scale": normal(3)})
    assert error.value.found == (
        "the state dict does not fit Net: encoder: missing, layers: a list of length 2 for a list "
        "of length 3, counter: missing, scale: float32[3] for float32[2]."
    )


def test_a_very_wrong_state_dict_is_not_listed_to_the_end() -> None:
    box = Box(parts=[Dense(seed=i) for i in range(30)])
    listed = ", ".join(f"parts.{i}.{x}: missing" for i in range(10) for x in ("weight", "bias"))
    with pytest.raises(pax.StructureError) as error:
        box.load_state_dict({"parts": [{} for _ in range(30)]})
    assert error.value.found == f"the state dict does not fit Box: {listed} and 40 more."


def test_what_is_no_state_dict() -> None:
    with pytest.raises(pax.StructureError, match=r"\(root\): 3 for a module"):
        unchecked(from_state_dict)(Net(), 3)


def test_what_a_tree_map_put_at_the_leaves_is_none() -> None:
    assert jax.tree.map(lambda _: "s", Dense()).state_dict() == {"weight": None, "bias": None}


def test_loading_numpy_arrays_compiles_nothing_and_shares_no_memory() -> None:
    box = Box(a=normal(11, 13), b=normal(17))
    state = jax.tree_util.tree_map(np.array, box.state_dict())
    with count_compilations() as compilations:
        loaded = box.load_state_dict(state)
    assert compilations.count == 0
    expected = state["a"].copy()
    state["a"][:] = 0.0
    np.testing.assert_array_equal(loaded.a, expected)
