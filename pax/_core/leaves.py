"""A function over the corresponding leaves of several trees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax

from pax._core.compare import all_differences
from pax._core.errors import StructureError
from pax._core.node import Node

M = TypeVar("M", bound=Node)


def map_leaves(fn: Callable[..., Any], module: M, *others: Any) -> M:
    """Returns the module with `fn` over its leaves and what stands at their places in others.

    Args:
        fn: takes what stands at one place of each tree.
        module: the module.
        others: trees of the same structure; where the module has a leaf they may have anything.
    Raises:
        StructureError: if another tree does not line up; all differences are listed.
    """
    leaves, treedef = jax.tree_util.tree_flatten(module)
    rest = [_at_the_leaves(treedef, module, other) for other in others]
    return treedef.unflatten([fn(*xs) for xs in zip(leaves, *rest, strict=True)])


def _at_the_leaves(treedef: Any, module: Node, other: Any) -> list[Any]:
    try:
        return treedef.flatten_up_to(other)
    except ValueError:
        raise StructureError(
            f"map of {type(module).__name__} got a tree of another structure; its own against the "
            f"other: {all_differences(module, other)}.",
            "map over modules of the same structure and mode, e.g. a model and its copy.",
        ) from None
