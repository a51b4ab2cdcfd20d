"""Where two trees differ."""

from __future__ import annotations

from typing import Any

import jax

from pax._core.node import Node
from pax._core.pytree import structure
from pax._core.tree import dotted


def first_difference(a: Any, b: Any) -> tuple[str, str, str]:
    """Returns the path of the first difference in structure, and what stands on each side.

    The two trees must differ.
    """
    found = _difference(a, b, "")
    if found is None:
        raise AssertionError("trees of different structure, but no difference was found")
    return found


def _difference(a: Any, b: Any, path: str) -> tuple[str, str, str] | None:
    if type(a) is not type(b):
        return path, _kind(a), _kind(b)
    if isinstance(a, Node):
        found = _static_difference(a, b, path)
        if found is not None:
            return found
    mine, its = _children(a), _children(b)
    if mine is None or its is None:
        return None if mine is its else (path, _kind(a), _kind(b))
    if [k for k, _ in mine] != [k for k, _ in its]:
        return path, _names(mine), _names(its)
    for (key, x), (_, y) in zip(mine, its, strict=True):
        found = _difference(x, y, f"{path}.{key}".lstrip("."))
        if found is not None:
            return found
    same = jax.tree_util.tree_structure(a) == jax.tree_util.tree_structure(b)
    return None if same else (path, repr(a), repr(b))


def _static_difference(a: Node, b: Node, path: str) -> tuple[str, str, str] | None:
    """Returns the first attribute that only one has, or that is static and differs."""
    mine, its = structure(a).compared, structure(b).compared
    for name in [*mine, *(k for k in its if k not in mine)]:
        where = f"{path}.{name}".lstrip(".")
        if name not in mine:
            return where, "no such attribute", repr(its[name])
        if name not in its:
            return where, repr(mine[name]), "no such attribute"
        if mine[name] is not its[name] and not mine[name] == its[name]:
            return where, repr(mine[name]), repr(its[name])
    return None


def _children(x: Any) -> list[tuple[str, Any]] | None:
    """Returns the direct children of a node with their keys, or None for a leaf."""
    found = jax.tree_util.tree_leaves_with_path(x, is_leaf=lambda y: y is not x)
    if len(found) == 1 and found[0][0] == ():
        return None
    return [(dotted(path), child) for path, child in found]


def _kind(x: Any) -> str:
    return type(x).__name__


def _names(children: list[tuple[str, Any]]) -> str:
    return "children " + (", ".join(k for k, _ in children) or "(none)")
