"""What is trainable: selecting, merging and freezing parameters."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

import jax

from pax._core.derived import derived_class, with_class
from pax._core.empty import EmptyNode, is_empty
from pax._core.errors import ArgumentError, StructureError
from pax._core.node import Node, is_node
from pax._core.pytree import flatten, like_source
from pax._core.surgery import map_submodules
from pax._core.tree import named_leaves

M = TypeVar("M", bound=Node)


def select(module: M, own: Collection[str], submodules: bool = True) -> M:
    """Returns the module with `EmptyNode` in the place of everything that is not selected.

    Args:
        module: the module.
        own: names of the attributes whose arrays are selected.
        submodules: whether the parameters of submodules are selected.
    """
    children, record = flatten(module)

    def keep(name: str, child: Any) -> Any:
        if isinstance(child, Node):
            return child.parameters() if submodules else emptied(child)  # type: ignore[attr-defined]
        if isinstance(child, jax.Array):
            return child if name in own else EmptyNode()
        return jax.tree_util.tree_map(
            lambda x: keep(name, x) if isinstance(x, Node) else (x if name in own else EmptyNode()),
            child,
            is_leaf=is_node,
        )

    return record.build([keep(n, c) for n, c in zip(record.names, children, strict=True)])


def emptied(tree: M) -> M:
    """Returns the tree with `EmptyNode` in the place of every leaf."""
    return jax.tree_util.tree_map(lambda _: EmptyNode(), tree)


def parameters_method(*names: str, submodules: bool = True) -> Any:
    """Makes the `parameters` method of a class that names its own trainable attributes.

    Args:
        names: attribute names, one a string or several in one string, separated by spaces.
        submodules: whether the parameters of submodules are trainable too.
    Returns:
        A method; it raises `ArgumentError` on a module without one of these attributes.
    Raises:
        ArgumentError: if a name is no string.
    Example:
        >>> class Scale(pax.Module):
        ...     parameters = pax.parameters_method("factor")
        ...     def __init__(self):
        ...         self.factor = jnp.array(2.0)
        ...         self.count = jnp.array(0)
        >>> Scale().parameters().count
        EmptyNode()
    """
    for text in names:
        if not isinstance(text, str):
            raise ArgumentError(
                f"parameters_method got a value of type {type(text).__name__}; expected names of "
                "attributes.",
                'write parameters = pax.parameters_method("weight", "bias") in the class.',
            )
    wanted = [name for text in names for name in text.split()]

    def parameters(self: M) -> M:
        """Returns the module with only what is trainable left in it."""
        unknown = [name for name in wanted if name not in self.__dict__]
        if unknown:
            raise ArgumentError(
                f"parameters_method of {type(self).__name__} names "
                f"{', '.join(map(repr, unknown))}, which the module does not have.",
                "name attributes that __init__ assigns.",
            )
        return select(self, wanted, submodules)

    return parameters


def merge(a: M, b: Any) -> M:
    """Returns `a` with the leaves of `b` that are not `EmptyNode` in the place of its own."""
    if not isinstance(b, Node):
        raise ArgumentError(
            f"a {type(a).__name__} was combined with a {type(b).__name__}; expected a module.",
            "combine modules of the same structure: model | params.",
        )
    mine, treedef = jax.tree_util.tree_flatten(a, is_leaf=is_empty)
    its, other = jax.tree_util.tree_flatten(b, is_leaf=is_empty)
    if treedef != other:
        _check_same_places(a, b)
    merged = [x if is_empty(y) else y for x, y in zip(mine, its, strict=True)]
    return like_source(treedef.unflatten(merged), a)


def _check_same_places(a: Any, b: Any) -> None:
    """Raises unless both trees have leaves at the same paths (static parts may differ)."""

    def places(tree: Any) -> list[str]:
        filled = jax.tree_util.tree_map(lambda _: 0, tree, is_leaf=is_empty)
        return [path for path, _ in named_leaves(filled)]

    in_a, in_b = places(a), places(b)
    if in_a != in_b:
        only_a = sorted(set(in_a) - set(in_b))
        only_b = sorted(set(in_b) - set(in_a))
        most = 10 if only_a and only_b else 20
        unlike = (
            f"only in the first: {some(only_a, most)}; only in the second: {some(only_b, most)}"
            if only_a or only_b
            else f"the first has the order {some(in_a, 10)}, the second {some(in_b, 10)}"
        )
        raise StructureError(
            f"two trees of class {type(a).__name__} and {type(b).__name__} do not line up; "
            f"{unlike}.",
            "combine modules of the same structure, e.g. a model and its own `parameters()`.",
        )


def some(paths: list[str], most: int = 20) -> str:
    """Returns paths as one text, at most so many of them."""
    shown = ", ".join(paths[:most]) or "(none)"
    return shown if len(paths) <= most else f"{shown} and {len(paths) - most} more"


def _no_parameters(self: M) -> M:
    """Returns the module with nothing left in it: it is frozen."""
    return emptied(self)


def freeze(module: M) -> M:
    """Returns the tree with every module's `parameters()` empty."""
    frozen = map_submodules(module, freeze)
    cls: Any = type(module)
    if cls.parameters is _no_parameters:
        return frozen
    return with_class(frozen, derived_class(cls, {"parameters": _no_parameters}))


def unfreeze(module: M, origin: M) -> M:
    """Returns the structure of `origin` with the leaves of `module`."""
    _check_same_places(module, origin)
    leaves = jax.tree_util.tree_leaves(module, is_leaf=is_empty)
    return jax.tree_util.tree_structure(origin, is_leaf=is_empty).unflatten(leaves)
