"""What every module is to the rest of the core: a node of a tree, with a state record."""

from __future__ import annotations

from typing import Any, TypeGuard

import jax
import numpy as np

from pax._core.empty import EmptyNode


class Node:
    """Base of `Module`, without behaviour.

    It is a plain class, so that `isinstance(x, Node)` is as cheap as Python makes it, and it
    lets the files below `module.py` know a module when they see one. The instance dictionary
    holds the user's attributes and one entry more, `"_pax"`: a `Structure` while the module is
    sealed, a `Draft` while it may be changed.
    """


#: What becomes a child by itself: arrays, what stands for an array, modules.
JAX_LEAVES = (jax.Array, np.ndarray, jax.ShapeDtypeStruct)
CHILD_TYPES = (Node, EmptyNode, *JAX_LEAVES)


class _Child:
    """Marks an attribute that is a child; what it holds is not part of the structure."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "*"


CHILD = _Child()


def is_node(x: Any) -> TypeGuard[Node]:
    """Returns whether `x` is a module."""
    return isinstance(x, Node)


def is_unit(x: Any) -> bool:
    """Returns whether `x` is a module, an `EmptyNode` or an iterator: where a walk stops.

    JAX takes an iterator for a leaf too, but warns that it will refuse to.
    """
    return isinstance(x, (Node, EmptyNode)) or hasattr(type(x), "__next__")


def units(tree: Any) -> list[Any]:
    """Returns the leaves of a container; modules, `EmptyNode`s and iterators are whole.

    What JAX cannot take apart, a dict whose keys do not compare, is one leaf.
    """
    try:
        return jax.tree_util.tree_leaves(tree, is_leaf=is_unit)
    except ValueError:
        return [tree]


def is_jax_leaf(x: Any) -> bool:
    """Returns whether `x` is an array or stands for one."""
    return isinstance(x, JAX_LEAVES)
