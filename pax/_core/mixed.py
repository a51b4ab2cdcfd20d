"""A container that holds layers or arrays beside static things, such as functions."""

from __future__ import annotations

import itertools
from typing import Any

import jax

from pax._core.frozen import freeze, same, snapshot
from pax._core.node import CHILD, CHILD_TYPES, is_unit


class Mixed:
    """How one attribute splits: which leaves of its container are children, which are static.

    As a child the container shows `None` in the place of what is static.
    """

    __slots__ = ("_dynamic", "_full", "_kind", "key", "static")

    def __init__(self, value: Any) -> None:
        self._kind = type(value)
        leaves, self._full = jax.tree_util.tree_flatten(value, is_leaf=is_unit)
        self._dynamic = tuple(isinstance(x, CHILD_TYPES) for x in leaves)
        self.static = tuple(
            snapshot(x) for x, d in zip(leaves, self._dynamic, strict=True) if not d
        )
        self.key = (Mixed, self._full, self._dynamic, freeze(self.static))

    def hollow(self, value: Any) -> Any:
        """Returns the container as a child: its static leaves replaced by `None`."""
        parts = _up_to(self._full, value)
        if parts is None:
            return value
        return self._full.unflatten(
            [x if d else None for x, d in zip(parts, self._dynamic, strict=True)]
        )

    def fill(self, child: Any) -> Any:
        """Returns the container with the static leaves put back, whatever the others became."""
        parts = _up_to(self._full, child)
        if parts is None:
            return child
        static = map(snapshot, self.static)
        return self._full.unflatten(
            [x if d else next(static) for x, d in zip(parts, self._dynamic, strict=True)]
        )

    def still_fits(self, value: Any) -> bool:
        """Returns whether a tree map may have made `value` of such a container.

        It puts anything in the place of a child, or of the whole, and leaves the rest as it is.
        """
        parts = _up_to(self._full, value)
        if parts is None:
            return type(value) is not self._kind
        static = [x for x, d in zip(parts, self._dynamic, strict=True) if not d]
        return freeze(tuple(static)) == freeze(self.static)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Mixed)
            and (self._full, self._dynamic) == (other._full, other._dynamic)
            and all(map(same, self.static, other.static))
        )

    def __hash__(self) -> int:
        return hash((Mixed, self._dynamic))

    def __repr__(self) -> str:
        parts = {True: itertools.repeat(CHILD), False: iter(self.static)}
        return repr(self._full.unflatten([next(parts[d]) for d in self._dynamic]))


def _up_to(treedef: Any, tree: Any) -> list[Any] | None:
    """Returns what stands in `tree` at the leaves of `treedef`; None if it is built otherwise."""
    try:
        return treedef.flatten_up_to(tree)
    except ValueError:
        return None
