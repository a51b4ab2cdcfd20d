"""A container that holds layers or arrays beside static things, such as functions."""

from __future__ import annotations

from typing import Any

import jax

from pax._core.frozen import freeze, snapshot
from pax._core.node import CHILD_TYPES, is_unit


class Mixed:
    """How one attribute splits: which leaves of its container are children, which are static.

    As a child the container shows `None` in the place of what is static.
    """

    __slots__ = ("_dynamic", "_full", "_hollow", "_static", "key")

    def __init__(self, value: Any) -> None:
        leaves, self._full = jax.tree_util.tree_flatten(value, is_leaf=is_unit)
        self._dynamic = tuple(isinstance(x, CHILD_TYPES) for x in leaves)
        self._static = tuple(
            snapshot(x) for x, d in zip(leaves, self._dynamic, strict=True) if not d
        )
        marks = [0 if d else None for d in self._dynamic]
        self._hollow = jax.tree_util.tree_structure(self._full.unflatten(marks))
        self.key = (Mixed, self._full, self._dynamic, freeze(self._static))

    def hollow(self, value: Any) -> Any:
        """Returns the container as a child: its static leaves replaced by `None`."""
        leaves = jax.tree_util.tree_leaves(value, is_leaf=is_unit)
        return self._full.unflatten(
            [x if d else None for x, d in zip(leaves, self._dynamic, strict=True)]
        )

    def fill(self, child: Any) -> Any:
        """Returns the container with the static leaves put back, whatever the others became."""
        try:
            units = iter(self._hollow.flatten_up_to(child))
        except ValueError:  # a caller put something else in the place of the whole container
            return child
        statics = iter(self._static)
        return self._full.unflatten([next(units if d else statics) for d in self._dynamic])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mixed) and (
            (self._full, self._dynamic, self._static)
            == (other._full, other._dynamic, other._static)
        )

    def __hash__(self) -> int:
        return hash((Mixed, self._dynamic))

    def __repr__(self) -> str:
        return f"Mixed{self._static}"
