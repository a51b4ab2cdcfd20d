"""Trees held as one flat tuple of leaves, so that JAX takes nothing apart at a call."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, Self

import jax

from pax._core.tree import dotted

#: The name and structure of each tree.
Treedefs = tuple[tuple[str, Any], ...]


class FlatTrees:
    """Named trees as one tuple of leaves: a pytree, though no module, that never changes.

    JAX takes the arguments of a compiled function apart at every call, module by module. These
    trees were taken apart when they came in. What is left are the leaves, and a static part that
    stays one object however often trees are replaced by others of the same structure, so that
    comparing it costs nothing either. Each access to a tree builds it anew.

    Subclasses say what the trees are called and how they are read.
    """

    __slots__ = ("__weakref__", "_leaves", "_treedefs")

    _treedefs: Treedefs
    _leaves: tuple[Any, ...]

    def __init_subclass__(cls) -> None:
        def unflatten(treedefs: Treedefs, leaves: Iterable[Any]) -> Any:
            return _new(cls, treedefs, tuple(leaves))

        jax.tree_util.register_pytree_with_keys(cls, _flatten_with_keys, unflatten, _flatten)

    def _hold(self, treedefs: Treedefs, leaves: tuple[Any, ...]) -> None:
        """Sets what the object holds, past the guard of the subclass."""
        object.__setattr__(self, "_treedefs", treedefs)
        object.__setattr__(self, "_leaves", leaves)

    def _hold_trees(self, trees: dict[str, Any]) -> None:
        """Takes trees apart and sets them; for constructors."""
        parts = {name: jax.tree_util.tree_flatten(tree) for name, tree in trees.items()}
        treedefs = tuple((name, treedef) for name, (_, treedef) in parts.items())
        self._hold(treedefs, _joined(leaves for leaves, _ in parts.values()))

    def _check_readable(self) -> None:
        """Raises if the leaves are not to be read any more."""

    def _parts(self) -> dict[str, tuple[Iterable[Any], Any]]:
        """Returns the leaves and the structure of each tree by name."""
        leaves = iter(self._leaves)
        return {
            name: (tuple(itertools.islice(leaves, treedef.num_leaves)), treedef)
            for name, treedef in self._treedefs
        }

    def _tree(self, name: str) -> Any:
        """Returns a tree, built anew."""
        self._check_readable()
        leaves, treedef = self._parts()[name]
        return treedef.unflatten(leaves)

    def _trees(self) -> dict[str, Any]:
        """Returns all trees by name, built anew."""
        return {name: self._tree(name) for name, _ in self._treedefs}

    def _with(self, trees: dict[str, Any]) -> Self:
        """Returns a new object with some of the trees replaced."""
        self._check_readable()
        parts = self._parts()
        parts |= {name: jax.tree_util.tree_flatten(tree) for name, tree in trees.items()}
        treedefs = tuple((name, treedef) for name, (_, treedef) in parts.items())
        # where nothing changed, the same object, so that JAX compares no structure
        treedefs = self._treedefs if treedefs == self._treedefs else treedefs
        return _new(type(self), treedefs, _joined(leaves for leaves, _ in parts.values()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (type(self), self._trees())


def _joined(parts: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(itertools.chain.from_iterable(parts))


def _new(cls: type[Any], treedefs: Treedefs, leaves: tuple[Any, ...]) -> Any:
    new = object.__new__(cls)
    new._hold(treedefs, leaves)
    return new


def _remade(cls: type[Any], trees: dict[str, Any]) -> Any:
    new = object.__new__(cls)
    new._hold_trees(trees)
    return new


def _flatten(flat: FlatTrees) -> tuple[tuple[Any, ...], Treedefs]:
    flat._check_readable()
    return flat._leaves, flat._treedefs


def _flatten_with_keys(flat: FlatTrees) -> tuple[tuple[Any, ...], Treedefs]:
    """Returns the leaves, each with its path as one key: `.model.layers.0.weight`."""
    flat._check_readable()
    keys = []
    for name, treedef in flat._treedefs:
        places = treedef.unflatten(range(treedef.num_leaves))
        for path, _ in jax.tree_util.tree_leaves_with_path(places):
            keys.append(jax.tree_util.GetAttrKey(f"{name}.{dotted(path)}" if path else name))
    return tuple(zip(keys, flat._leaves, strict=True)), flat._treedefs
