"""EmptyNode: a pytree without leaves, equal to any other."""

from __future__ import annotations

import copy
import pickle

import jax

import pax
from pax._core.empty import is_empty


def test_it_has_no_leaves_and_survives_tree_maps() -> None:
    tree = {"a": pax.EmptyNode(), "b": 3}
    assert jax.tree.leaves(tree) == [3]
    mapped = jax.tree.map(lambda x: x + 1, tree)
    assert type(mapped["a"]) is pax.EmptyNode
    assert mapped["b"] == 4


def test_equal_and_hashed_alike() -> None:
    assert pax.EmptyNode() == pax.EmptyNode()
    assert hash(pax.EmptyNode()) == hash(pax.EmptyNode())
    assert pax.EmptyNode() != ()
    assert pax.EmptyNode() is not None


def test_same_tree_structure_each_time_and_another_than_none() -> None:
    one, two = jax.tree.structure([pax.EmptyNode()]), jax.tree.structure([pax.EmptyNode()])
    assert one == two
    assert hash(one) == hash(two)
    assert one != jax.tree.structure([None])


def test_copies_and_pickles() -> None:
    node = pax.EmptyNode()
    for again in (copy.copy(node), copy.deepcopy(node), pickle.loads(pickle.dumps(node))):
        assert again == node
    assert repr(node) == "EmptyNode()"


def test_is_empty() -> None:
    assert is_empty(pax.EmptyNode())
    assert not is_empty(None)
    assert not is_empty(())


def test_passes_through_jit() -> None:
    assert jax.jit(lambda tree: tree)([pax.EmptyNode(), 1.0])[0] == pax.EmptyNode()
