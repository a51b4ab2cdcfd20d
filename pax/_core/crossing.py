"""Calls of a module inside a JAX transformation that bring its changes out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from pax._core.compare import all_differences
from pax._core.errors import StructureError
from pax._core.guard import may_change
from pax._core.node import Node, is_unit, units
from pax._core.pure import module_and_value
from pax._core.pytree import structure


class Crossing:
    """One call of a module in a transformation that rebuilds it from its leaves.

    In there the changes that the call makes (averages, random keys) would stay with the rebuilt
    copy. `inside` returns the arrays that have changed, for the transformed function to return
    beside its output; `outside` puts what came of them into the module. A module that may not
    change is called as it is, so that the layer which tries to says so itself.

    Args:
        module: the module, as it is outside.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self._changes = may_change(module)
        self._places: list[int] = []

    def inside(
        self, call: Callable[..., Any], copy: Any, *args: Any, **kwargs: Any
    ) -> tuple[Any, list[Any]]:
        """Returns `call(copy, *args, **kwargs)`, and the leaves of the copy that it has changed."""
        if not self._changes:
            return call(copy, *args, **kwargs), []
        new, out = module_and_value(call)(copy, *args, **kwargs)
        before, treedef = jax.tree_util.tree_flatten(copy)
        after, new_treedef = jax.tree_util.tree_flatten(new)
        if new_treedef != treedef:
            raise StructureError(
                f"a call of {copy!r} changed its structure, which must stay as it is in a scan "
                f"and in a recomputed call; before against after: {all_differences(copy, new)}.",
                "let the call change arrays only; set modes and other attributes before.",
            )
        self._places = [i for i, (x, y) in enumerate(zip(before, after, strict=True)) if x is not y]
        return out, [after[i] for i in self._places]

    def outside(self, changed: list[Any]) -> None:
        """Puts the changed leaves, as they came out of the transformation, into the module."""
        if changed:
            leaves, treedef = jax.tree_util.tree_flatten(self._module)
            for i, leaf in zip(self._places, changed, strict=True):
                leaves[i] = leaf
            _assign(self._module, treedef.unflatten(leaves))


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
