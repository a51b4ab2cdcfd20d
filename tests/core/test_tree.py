"""Paths into a tree of modules."""

from __future__ import annotations

import jax

from pax._core.tree import dotted, named_leaves, named_modules, named_submodules
from tests.core.samples import Box, Dense, Net, normal


def test_paths_are_dotted() -> None:
    tree = {"a": [Box(w=(normal(1), normal(2)))], "b": 3}
    assert [path for path, _ in named_leaves(tree)] == ["a.0.w.0", "a.0.w.1", "b"]
    assert dotted(()) == ""


def test_leaves_come_with_their_paths() -> None:
    net = Net()
    leaves = dict(named_leaves(net))
    assert leaves["layers.2.last.weight"] is net.layers[2]["last"].weight
    assert list(leaves.values()) == jax.tree.leaves(net)


def test_direct_submodules() -> None:
    net = Net()
    found = dict(named_submodules(net))
    assert list(found) == ["encoder", "layers.0", "layers.2.last", "counter"]
    assert found["layers.2.last"] is net.layers[2]["last"]


def test_all_modules_the_root_first() -> None:
    inner = Dense()
    root = Box(a=Box(b=[inner]), c=Dense(seed=1))
    assert [names for names, _ in named_modules(root)] == [
        (), ("a",), ("a", "b.0"), ("c",),
    ]  # fmt: skip
    assert dict(named_modules(root))["a", "b.0"] is inner
