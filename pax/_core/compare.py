"""Where two trees differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax

from pax._core.frozen import same
from pax._core.node import CHILD, Node, is_jax_leaf
from pax._core.partition import some
from pax._core.pytree import structure
from pax._core.tree import dotted


def first_difference(a: Any, b: Any) -> tuple[str, str, str]:
    """Returns the path of the first difference in structure, and what stands on each side.

    The two trees must differ.
    """
    for found in differences(a, b):
        return found
    raise AssertionError("trees of different structure, but no difference was found")


def differences(a: Any, b: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yields all differences in structure, as `first_difference` returns the first.

    Under nodes of different classes it does not look; under containers of different keys it
    looks at the keys that both have.
    """
    mine, its = _children(a), _children(b)
    if mine is None and its is None:
        return
    if mine is None or its is None or type(a) is not type(b):
        yield path, _kind(a), _kind(b)
        return
    found = list(_differences_here(a, b, mine, its, path))
    yield from found
    if not found and jax.tree_util.tree_structure(a) != jax.tree_util.tree_structure(b):
        yield path, repr(a), repr(b)


def _differences_here(
    a: Any, b: Any, mine: dict[str, Any], its: dict[str, Any], path: str
) -> Iterator[tuple[str, str, str]]:
    """Yields the differences of two nodes of one class: in static parts, in keys, and below."""
    unlike = list(_static_differences(a, b, path)) if isinstance(a, Node) else []
    yield from unlike
    if list(mine) != list(its) and not unlike:
        yield path, _names(mine), _names(its)
    for key in mine:
        if key in its:
            yield from differences(mine[key], its[key], _join(path, key))


def _static_differences(a: Node, b: Node, path: str) -> Iterator[tuple[str, str, str]]:
    """Yields the attributes that only one has, or that are static and differ."""
    mine, its = structure(a).compared, structure(b).compared
    unlike = False
    for name in [*mine, *(k for k in its if k not in mine)]:
        left, right = (_entry(x[name]) if name in x else "no such attribute" for x in (mine, its))
        if name not in mine or name not in its or not same(mine[name], its[name]):
            unlike = True
            yield _join(path, name), left, right
    if list(mine) != list(its) and not unlike:
        yield path, f"attributes {', '.join(mine)}", f"attributes {', '.join(its)}"


def all_differences(a: Any, b: Any) -> str:
    """Returns the differences in structure as one text, at most twenty of them."""
    found = [
        f"`{path or '(root)'}`: {left} against {right}" for path, left, right in differences(a, b)
    ]
    return some(found)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}".lstrip(".")


def _entry(x: Any) -> str:
    return "arrays or modules" if x is CHILD else repr(x)


def _children(x: Any) -> dict[str, Any] | None:
    """Returns the direct children of a node with their keys, or None for a leaf."""
    found = jax.tree_util.tree_leaves_with_path(x, is_leaf=lambda y: y is not x)
    if len(found) == 1 and found[0][0] == ():
        return None
    return {dotted(path): child for path, child in found}


def _kind(x: Any) -> str:
    if is_jax_leaf(x):
        return "an array"
    notes = [vars(cls)["_pax_note"] for cls in type(x).__mro__ if "_pax_note" in vars(cls)]
    return " ".join([type(x).__name__, *notes])


def _names(children: dict[str, Any]) -> str:
    return "children " + (", ".join(children) or "(none)")
