"""The node that stands where an array was taken out."""

from __future__ import annotations

from typing import Any

import jax


class EmptyNode:
    """A pytree without leaves, equal to any other `EmptyNode`.

    `module.parameters()` puts one in the place of everything that is not trainable, so that
    what is left is exactly what an optimizer may see.

    Example:
        >>> jax.tree_util.tree_leaves([pax.EmptyNode(), 1])
        [1]
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EmptyNode)

    def __hash__(self) -> int:
        return hash(EmptyNode)

    def __repr__(self) -> str:
        return "EmptyNode()"


jax.tree_util.register_pytree_node(EmptyNode, lambda _: ((), None), lambda _, __: EmptyNode())


def is_empty(x: Any) -> bool:
    """Returns whether `x` is an `EmptyNode`."""
    return isinstance(x, EmptyNode)
