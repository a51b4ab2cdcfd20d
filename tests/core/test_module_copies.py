"""copy, deepcopy and pickle of whole trees."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.core.samples import Box, Counter, Dense, Net, normal, same_leaves


@dataclass
class Record(pax.Module):
    """A dataclass, found by its name when it is unpickled."""

    weight: Any


def shifted(self: Dense, x: jax.Array) -> jax.Array:
    """A method that tests put into the place of another."""
    return x + 1


def doubled(self: Dense, x: jax.Array) -> jax.Array:
    """Another one."""
    return x * 2


COPIERS = {
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {p}": lambda m, p=p: pickle.loads(pickle.dumps(m, p))
        for p in range(2, pickle.HIGHEST_PROTOCOL + 1)  # typed keys have slots: 2 and up
    },
}
MODULES = {
    "net": Net,
    "eval": lambda: Net().eval(),
    "parameters": lambda: Net().parameters(),
    "frozen": lambda: pax.freeze_parameters(Net()),
    "frozen twice": lambda: pax.freeze_parameters(pax.freeze_parameters(Net())),
    "method": lambda: Dense().replace_method(__call__=shifted),
    "two methods": lambda: (
        Dense().replace_method(__call__=shifted).replace_method(__call__=doubled)
    ),
    "frozen method": lambda: pax.freeze_parameters(Box(d=Dense().replace_method(__call__=doubled))),
    "method of frozen": lambda: pax.freeze_parameters(Dense()).replace_method(__call__=shifted),
    "class": lambda: Box(kind=type(pax.freeze_parameters(Dense())), plain=Dense),
    "keys": lambda: Box(typed=jax.random.key(0), raw=jax.random.PRNGKey(0)),
}


@pytest.mark.parametrize("how", COPIERS)
@pytest.mark.parametrize("kind", MODULES)
def test_a_copy_is_the_same_apart_from_its_arrays(how: str, kind: str) -> None:
    module = MODULES[kind]()
    again = COPIERS[how](module)
    assert type(again) is type(module)
    assert jax.tree.structure(again) == jax.tree.structure(module)
    for x, y in zip(jax.tree.leaves(module), jax.tree.leaves(again), strict=True):
        assert x is not y
        assert (x == y).all()
    assert hash(again) == hash(module)
    ours, theirs = (set(map(id, [m, *m.submodules()])) for m in (module, again))
    assert not ours & theirs


def test_a_copy_of_a_method_works() -> None:
    module = COPIERS["pickle 5"](MODULES["method of frozen"]())
    x = normal(2)
    assert (module(x) == x + 1).all()
    assert jax.tree.leaves(module.parameters()) == []
    assert (COPIERS["pickle 5"](MODULES["two methods"]())(x) == x * 2).all()


def test_a_copied_program_is_not_compiled_anew() -> None:
    call = jax.jit(lambda net, x: net(x))
    net, x = pax.freeze_parameters(Net()).eval(), normal(5, 3)
    y = call(net, x)
    for copier in COPIERS.values():
        assert (call(copier(net), x) == y).all()
    assert call._cache_size() == 1


def test_a_shallow_copy_shares_what_it_holds() -> None:
    net = Net()
    again = copy.copy(net)
    assert again == net
    assert again is not net
    assert same_leaves(again, net)


def test_a_copy_cannot_be_changed_and_may_go_through_pure() -> None:
    for copier in (copy.copy, *COPIERS.values()):
        again = copier(Counter())
        with pytest.raises(pax.PurityError):
            again.count = 3
        changed, _ = pax.purecall(again, normal(2))
        assert int(changed.count) == 1


def test_copies_made_inside_pure_are_sealed() -> None:
    def run(counter: Counter) -> Any:
        counter.count = counter.count + 5
        copies = [copier(counter) for copier in (copy.copy, *COPIERS.values())]
        for again in copies:
            assert int(again.count) == 5
            with pytest.raises(pax.PurityError):
                again.count = 0
        return copies

    assert len(pax.pure(run)(Counter())) == 1 + len(COPIERS)


def test_sharing_inside_an_object_graph_is_kept() -> None:
    dense = Dense()
    for copier in COPIERS.values():
        one, two = copier([dense, {"again": dense}])
        assert one is two["again"]


@pytest.mark.parametrize("put", [None, 3, "s"])
def test_what_a_tree_map_put_at_the_leaves_survives(put: Any) -> None:
    mapped = jax.tree.map(lambda _: put, Dense())
    for copier in (copy.copy, *COPIERS.values()):
        again = copier(mapped)
        assert again.pytree_attributes == ("weight", "bias")
        assert (again.weight, again.bias) == (put, put)


def test_abstract_modules_copy() -> None:
    abstract = jax.eval_shape(lambda net: net, Dense())
    for copier in (copy.deepcopy, COPIERS["pickle 2"], COPIERS["pickle 5"]):
        assert copier(abstract).weight == jax.ShapeDtypeStruct((2, 2), jnp.float32)


def test_numpy_arrays_stay_numpy_arrays() -> None:
    box = Box(n=np.arange(3, dtype=np.int8))
    for copier in COPIERS.values():
        again = copier(box)
        assert type(again.n) is np.ndarray
        assert again.n.dtype == np.int8


def test_a_dataclass_that_no_constructor_made_in_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its first instance comes from a pickle; it compares and hashes like a module all the same."""
    data = pickle.dumps(Record(normal(2)))

    @dataclass
    class Again(pax.Module):
        weight: Any

    Again.__name__ = Again.__qualname__ = "Record"
    monkeypatch.setitem(globals(), "Record", Again)
    record = pickle.loads(data)
    assert type(record) is Again
    assert hash(record) == hash(record.copy())
    assert record == record.copy()
    assert record != pickle.loads(data)
    assert repr(record) == "Record"
