"""Where two trees differ."""

from __future__ import annotations

from typing import Any

import jax

from pax._core.frozen import same
from pax._core.node import CHILD, Node, is_jax_leaf
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
    mine, its = _children(a), _children(b)
    if mine is None and its is None:
        return None
    if mine is None or its is None or type(a) is not type(b):
        return path, _kind(a), _kind(b)
    if isinstance(a, Node):
        found = _static_difference(a, b, path)
        if found is not None:
            return found
    if [k for k, _ in mine] != [k for k, _ in its]:
        return path, _names(mine), _names(its)
    for (key, x), (_, y) in zip(mine, its, strict=True):
        found = _difference(x, y, f"{path}.{key}".lstrip("."))
        if found is not None:
            return found
    equal = jax.tree_util.tree_structure(a) == jax.tree_util.tree_structure(b)
    return None if equal else (path, repr(a), repr(b))


def _static_difference(a: Node, b: Node, path: str) -> tuple[str, str, str] | None:
    """Returns the first attribute that only one has, or that is static and differs."""
    mine, its = structure(a).compared, structure(b).compared
    for name in [*mine, *(k for k in its if k not in mine)]:
        where = f"{path}.{name}".lstrip(".")
        if name not in mine:
            return where, "no such attribute", _entry(its[name])
        if name not in its:
            return where, _entry(mine[name]), "no such attribute"
        if not same(mine[name], its[name]):
            return where, _entry(mine[name]), _entry(its[name])
    if list(mine) != list(its):
        return path, f"attributes {', '.join(mine)}", f"attributes {', '.join(its)}"
    return None


def _entry(x: Any) -> str:
    return "arrays or modules" if x is CHILD else repr(x)


def _children(x: Any) -> list[tuple[str, Any]] | None:
    """Returns the direct children of a node with their keys, or None for a leaf."""
    found = jax.tree_util.tree_leaves_with_path(x, is_leaf=lambda y: y is not x)
    if len(found) == 1 and found[0][0] == ():
        return None
    return [(dotted(path), child) for path, child in found]


def _kind(x: Any) -> str:
    if is_jax_leaf(x):
        return "an array"
    derived = vars(type(x)).get("_pax_derived")
    return type(x).__name__ + (f" with another {', '.join(derived[1])}" if derived else "")


def _names(children: list[tuple[str, Any]]) -> str:
    return "children " + (", ".join(k for k, _ in children) or "(none)")
