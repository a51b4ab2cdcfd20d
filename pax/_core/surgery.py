"""New modules from old: map, find, replace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax

from pax._core.checks import check_tree
from pax._core.derived import derived_class, with_class
from pax._core.errors import StructureError
from pax._core.node import Node, is_node, is_unit
from pax._core.pytree import flatten, rebuilt

M = TypeVar("M", bound=Node)


def map_submodules(module: M, fn: Callable[[Any], Any], **changes: Any) -> M:
    """Returns a new module, `fn` applied to each direct submodule, `changes` assigned."""
    record = flatten(module)[1]
    mapped: dict[str, Any] = {}
    for name in record.names:
        value = module.__dict__[name]
        if isinstance(value, Node):
            mapped[name] = fn(value)
        elif not isinstance(value, jax.Array) and any(
            map(is_node, jax.tree_util.tree_leaves(value, is_leaf=is_unit))
        ):
            mapped[name] = jax.tree_util.tree_map(
                lambda x: fn(x) if isinstance(x, Node) else x, value, is_leaf=is_unit
            )
    return rebuilt(module, changes, mapped)


def apply(module: Node, fn: Callable[[Any], Any]) -> Any:
    """Returns the tree with `fn` applied to every module, from the leaves up, the root last."""
    return fn(apply_submodules(module, fn))


def apply_submodules(module: M, fn: Callable[[Any], Any]) -> M:
    """Returns the tree with `fn` applied to every module under the root, from the leaves up."""
    return map_submodules(module, lambda sub: apply(sub, fn))


def set_training(module: M, training: bool) -> M:
    """Returns the tree with `training` set on every module."""
    return map_submodules(module, lambda sub: set_training(sub, training), training=training)


def replace(module: M, changes: dict[str, Any], new_names: bool) -> M:
    """Returns a new module with attributes replaced.

    Args:
        module: the module; it stays as it is.
        changes: new values by attribute name.
        new_names: whether attributes that are not there yet may be set.
    """
    unknown = [name for name in changes if name not in module.__dict__ or name == "_pax"]
    if unknown and not new_names:
        has = ", ".join(k for k in module.__dict__ if k != "_pax")
        raise StructureError(
            f"{type(module).__name__} has no attribute named {', '.join(map(repr, unknown))}; "
            f"it has: {has}.",
            "check the name; `module.set_attribute(name, value)` adds a new one.",
        )
    new = rebuilt(module, changes)
    check_tree(new)
    return new


def replace_node(module: Node, node: Any, value: Any) -> Any:
    """Returns a new tree with the one place where `node` stands (by identity) holding `value`."""
    found = 0

    def swap(x: Any) -> Any:
        nonlocal found
        if x is node:
            found += 1
            return value
        if not isinstance(x, Node):
            return x
        changes: dict[str, Any] = {}
        for name in flatten(x)[1].names:
            before, old = found, x.__dict__[name]
            new = jax.tree_util.tree_map(swap, old, is_leaf=lambda y: y is node or is_unit(y))
            if found > before:
                changes[name] = new
        return rebuilt(x, changes) if changes else x

    new = swap(module)
    if found != 1:
        raise StructureError(
            f"replace_node found the node {found} times in {type(module).__name__}; "
            "expected exactly once.",
            "pass the very object that stands in this module, e.g. "
            "`model.replace_node(model.head, new_head)`.",
        )
    if isinstance(new, Node):
        check_tree(new)
    return new


def replace_methods(module: M, methods: dict[str, Any]) -> M:
    """Returns the module with its class replaced by a same-named subclass with these methods."""
    for name, method in methods.items():
        if not callable(method):
            raise StructureError(
                f"replace_method got {name}={method!r}, which is not callable.",
                f"pass a function that takes the module first: {name}=lambda self, x: ...",
            )
    return with_class(module, derived_class(type(module), methods))
