"""Calls of a module inside a JAX transformation that bring its changes out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from pax._core.compare import all_differences
from pax._core.errors import StructureError
from pax._core.node import Node, is_unit, units
from pax._core.pure import module_and_value
from pax._core.pytree import structure


def call_copy(
    call: Callable[..., Any], copy: Any, *args: Any, changes: bool, **kwargs: Any
) -> tuple[Any, dict[int, Any]]:
    """Returns `call(copy, *args, **kwargs)`, and the leaves of the copy that it has changed.

    In a transformation the changes that a call makes (averages, random keys) would stay with a
    copy that was rebuilt there. The transformed function returns those leaves beside its output,
    by their places, for `assign_changed` to put what comes of them into the module outside.

    Args:
        call: takes the module first.
        copy: the module as it is inside the transformation.
        changes: whether the module outside may change. If not, the copy is called as it is, so
            that the layer which tries to change says so itself.
    """
    if not changes:
        return call(copy, *args, **kwargs), {}
    new, out = module_and_value(call)(copy, *args, **kwargs)
    before, treedef = jax.tree_util.tree_flatten(copy)
    after, new_treedef = jax.tree_util.tree_flatten(new)
    if new_treedef != treedef:
        raise StructureError(
            f"a call of {copy!r} changed its structure, which must stay as it is in a scan "
            f"and in a recomputed call; before against after: {all_differences(copy, new)}.",
            "let the call change arrays only; set modes and other attributes before.",
        )
    pairs = enumerate(zip(before, after, strict=True))
    return out, {i: y for i, (x, y) in pairs if x is not y}


def assign_changed(module: Any, changed: dict[int, Any]) -> None:
    """Puts changed leaves, as they came out of a transformation, into the module."""
    if changed:
        leaves, treedef = jax.tree_util.tree_flatten(module)
        for i, leaf in changed.items():
            leaves[i] = leaf
        _assign(module, treedef.unflatten(leaves))


def _assign(module: Node, new: Node) -> None:
    """Gives a module the leaves of another of the same structure: it and its parts stay."""
    for name in structure(module).names:
        old = module.__dict__[name]
        value = _assigned(old, new.__dict__[name])
        if value is not old:
            setattr(module, name, value)


def _assigned(old: Any, new: Any) -> Any:
    """Returns what an attribute becomes: `old` itself if no array of its own changes."""
    if isinstance(old, Node):
        _assign(old, new)
        return old
    before = units(old)
    after = [
        _assigned(x, y) if isinstance(x, Node) else y
        for x, y in zip(before, units(new), strict=True)
    ]
    if all(x is y for x, y in zip(before, after, strict=True)):
        return old
    return jax.tree_util.tree_structure(old, is_leaf=is_unit).unflatten(after)
