"""Keys of static values: exact, and aware of what can change in place."""

from __future__ import annotations

import collections
import copy
import functools
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pax._core.frozen import freeze, is_mutable, is_plain, same, snapshot
from tests.core.samples import normal

Pair = collections.namedtuple("Pair", "a b")
Other = collections.namedtuple("Other", "a b")

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([0.0, -0.0, 1.0]), st.text("a")
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
        st.tuples(inner, inner).map(lambda x: Pair(*x)),
        st.lists(inner, max_size=3).map(collections.deque),
        st.dictionaries(st.text("ab"), inner, max_size=2).map(collections.OrderedDict),
    ),
    max_leaves=8,
)


def exact(value: Any) -> Any:
    """Returns `value` with the type of everything in it written out."""
    if isinstance(value, dict):
        return type(value), [(exact(k), exact(v)) for k, v in value.items()]
    if isinstance(value, (list, tuple, collections.deque)):
        return type(value), [exact(v) for v in value]
    return type(value), repr(value)


@given(values, values)
def test_keys_are_equal_just_when_one_can_stand_for_the_other(a: Any, b: Any) -> None:
    assert (freeze(a) == freeze(b)) == (exact(a) == exact(b))


@given(values)
def test_a_deep_copy_has_the_same_hashable_key(value: Any) -> None:
    again = copy.deepcopy(value)
    assert freeze(again) == freeze(value)
    assert hash(freeze(again)) == hash(freeze(value))


ALIKE = [1, 1.0, True, 1 + 0j, 0, 0.0, -0.0, False, 0j, complex(0.0, -0.0), "1", b"1", None]


@pytest.mark.parametrize("i", range(len(ALIKE)))
def test_equal_numbers_of_different_types_and_signs_differ(i: int) -> None:
    assert [freeze(x) == freeze(ALIKE[i]) for x in ALIKE] == [j == i for j in range(len(ALIKE))]


def test_nan_is_itself() -> None:
    assert freeze(float("nan")) == freeze(float("nan"))


def test_containers_of_different_types_differ() -> None:
    kinds = [[1], (1,), {1}, frozenset({1}), collections.deque([1]), {1: 1}]
    assert len({freeze(x) for x in kinds}) == len(kinds)
    assert freeze(Pair(1, 2)) != freeze(Other(1, 2))
    assert freeze(Pair(1, 2)) != freeze((1, 2))
    assert freeze({1: 2}) != freeze(collections.OrderedDict({1: 2}))
    assert freeze({1, 2, 3}) == freeze({3, 2, 1})
    assert freeze({1}) != freeze({True})


def test_other_objects_are_known_by_identity() -> None:
    one, two = functools.partial(max, 1), functools.partial(max, 1)
    assert freeze(one) == freeze(one)
    assert freeze(one) != freeze(two)
    assert freeze([jax.nn.relu]) == freeze([jax.nn.relu])

    class Rich(tuple):
        """A tuple that may carry more than its items."""

    assert freeze(Rich((1,))) != freeze(Rich((1,)))


MUTABLE = [
    [],
    {},
    set(),
    collections.deque(),
    bytearray(b"a"),
    collections.OrderedDict(),
    collections.defaultdict(list),
    collections.Counter(),
    ([],),
    Pair(1, [2]),
    ((), ({},)),
]
FIXED = [
    1,
    1.5,
    "a",
    None,
    int,
    max,
    lambda: 0,
    (),
    (1, (2,)),
    Pair(1, 2),
    frozenset({1}),
    object(),
]


@pytest.mark.parametrize("value", MUTABLE)
def test_mutable(value: Any) -> None:
    assert is_mutable(value)


@pytest.mark.parametrize("value", FIXED)
def test_fixed(value: Any) -> None:
    assert not is_mutable(value)


@given(values)
def test_a_snapshot_equals_and_shares_no_container(value: Any) -> None:
    taken = snapshot(value)
    assert exact(taken) == exact(value)
    assert not mutable_ids(taken) & mutable_ids(value)


def mutable_ids(value: Any) -> set[int]:
    """Returns the ids of the containers in `value` that can change in place."""
    found = {id(value)} if isinstance(value, (list, dict, set, collections.deque)) else set()
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple, collections.deque)):
        found = found.union(*map(mutable_ids, value))
    return found


def test_a_snapshot_shares_what_is_no_container() -> None:
    thing = object()
    assert snapshot([thing])[0] is thing
    assert snapshot(thing) is thing
    assert snapshot(collections.defaultdict(list, a=[thing])).default_factory is list


def test_plain() -> None:
    for value in (1, "a", None, max, int, [1, "a"], {1: 2, "a": None}, {1.0}, (), [], (True,)):
        assert is_plain(value)
    for value in ([[]], [object()], {"a": ()}, collections.OrderedDict(), Pair(1, 2), [normal(1)]):
        assert not is_plain(value)


class Awkward:
    """Compares like nothing else does."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_same_is_equality() -> None:
    nan = float("nan")
    assert same(nan, nan)
    assert same([1, "a"], [1, "a"])
    assert same(np.float32(2.0), np.float32(2.0))
    assert same(Awkward(True), 1)
    assert same(Awkward(np.bool_(True)), 1)
    assert not same(1, 2)
    assert not same([1], (1,))


@pytest.mark.parametrize("answer", [RuntimeError("no"), np.ones(2, bool), np.ones(0), None, False])
def test_what_cannot_be_compared_is_not_the_same(answer: object) -> None:
    assert not same(Awkward(answer), 1)
    assert not same(np.float32(2.0), [2.0])
    thing = Awkward(answer)
    assert same(thing, thing)
