"""Dotted paths into a tree of modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax

from pax._core.node import Node, is_node
from pax._core.pytree import flatten


def dotted(path: tuple[Any, ...]) -> str:
    """Returns a JAX key path as text, `layers.3.weight`."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def named_submodules(module: Node) -> Iterator[tuple[str, Node]]:
    """Yields the direct submodules in order, each with its dotted path from `module`."""
    children, record = flatten(module)
    for name, child in zip(record.names, children, strict=True):
        if isinstance(child, Node):
            yield name, child
        elif not isinstance(child, jax.Array):
            for path, unit in jax.tree_util.tree_leaves_with_path(child, is_leaf=is_node):
                if isinstance(unit, Node):
                    yield f"{name}.{dotted(path)}", unit


def named_modules(module: Node) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Yields every module of the tree, the root first, each with the names on the way to it."""
    yield (), module
    for name, sub in named_submodules(module):
        for rest, found in named_modules(sub):
            yield (name, *rest), found


def named_leaves(tree: Any) -> list[tuple[str, Any]]:
    """Returns the leaves of any tree, each with its dotted path."""
    return [(dotted(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)]
