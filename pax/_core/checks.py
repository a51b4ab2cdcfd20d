"""What must hold in every tree of modules: nothing shared, nothing hidden."""

from __future__ import annotations

import collections
import functools
import types
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from pax._core.errors import StructureError
from pax._core.frozen import is_plain
from pax._core.mixed import Mixed
from pax._core.node import CHILD, JAX_LEAVES, Node, is_jax_leaf, units
from pax._core.pytree import flatten
from pax._core.tree import named_leaves, named_modules


def check_tree(root: Node) -> None:
    """Raises if one module or array stands at two places, or a module hides where JAX is blind."""
    seen: dict[int, Any] = {}  # by id, and alive, so that no id is used twice
    if not _collect(root, seen):
        raise _shared_error(root)


def _collect(module: Node, seen: dict[int, Any]) -> bool:
    """Notes all modules and arrays under `module`; returns False at the first one seen before."""
    if id(module) in seen:
        return False
    seen[id(module)] = module
    children, record = flatten(module)
    for value in record.entries.values():
        if value is not CHILD:
            _check_not_hidden(module, value)
    for child in children:
        for unit in (child,) if isinstance(child, (Node, jax.Array)) else units(child):
            if isinstance(unit, Node):
                if not _collect(unit, seen):
                    return False
            elif isinstance(unit, (jax.Array, np.ndarray)):
                if id(unit) in seen:
                    return False
                seen[id(unit)] = unit
    return True


def _shared_error(root: Node) -> StructureError:
    places: dict[int, str] = {}
    modules: list[tuple[str, Any]] = []
    for names, module in _modules_until_repeat(root):
        modules.append((".".join(names), module))
    arrays = [] if _has_repeat(modules) else named_leaves(root)
    for path, x in [*modules, *arrays]:
        if not isinstance(x, (Node, jax.Array, np.ndarray)):
            continue
        first = places.setdefault(id(x), path)
        if first != path:
            kind = "module" if isinstance(x, Node) else "array"
            own = "x.map(jnp.array)" if kind == "module" else "jnp.array(x)"  # copies of arrays
            return StructureError(
                f"{type(root).__name__} holds the same {kind} at two places, `{first or '(root)'}`"
                f" and `{path}`; an update of one would silently part them.",
                f"give each place its own ({own}), or keep it at one place and pass it to whoever "
                "needs it.",
            )
    raise AssertionError("a shared node was found and then lost")


def _modules_until_repeat(root: Node) -> Iterable[tuple[tuple[str, ...], Node]]:
    """Yields the modules of a tree up to the first that comes again (it may contain itself)."""
    seen: set[int] = set()
    for names, module in named_modules(root):
        yield names, module
        if id(module) in seen:
            return
        seen.add(id(module))


def _has_repeat(modules: list[tuple[str, Any]]) -> bool:
    return len({id(m) for _, m in modules}) < len(modules)


def _check_not_hidden(module: Node, value: Any) -> None:
    """Raises if a static value holds a module in a place that JAX cannot see."""
    if is_plain(value):
        return
    if isinstance(value, Mixed):
        statics: Iterable[Any] = value.static
    elif isinstance(value, (list, tuple, dict)):
        statics = units(value)
    else:
        statics = (value,)
    for static in statics:
        for x in _inside(static):
            if isinstance(x, (Node, *JAX_LEAVES) if isinstance(static, dict) else Node):
                raise StructureError(
                    f"{type(module).__name__} holds a {type(x).__name__} inside a "
                    f"{type(static).__name__}, where JAX cannot see its arrays.",
                    "give the dict keys of one type, so that JAX can order them."
                    if isinstance(static, dict)
                    else "keep the module itself as an attribute, or in a list, tuple or dict.",
                )


def _inside(value: Any) -> Iterable[Any]:
    """Returns what a value holds that JAX does not take apart."""
    if isinstance(value, types.MethodType):
        return (value.__self__,)
    if isinstance(value, functools.partial):
        parts = (value.func, *value.args, *value.keywords.values())
        return [getattr(x, "__self__", x) for x in parts]
    if isinstance(value, dict):  # one whose keys do not compare
        return [x for v in value.values() for x in units(v)]
    return value if isinstance(value, (set, frozenset, collections.deque)) else ()


def check_class(cls: type[Any], until: type[Any]) -> None:
    """Raises if a class attribute holds an array or a module, which would be no field."""
    for base in (x for x in cls.__mro__ if x not in until.__mro__):
        for name, value in list(vars(base).items()):  # another thread may prepare the class
            if any(is_jax_leaf(x) or isinstance(x, Node) for x in units(value)):
                raise StructureError(
                    f"{cls.__name__}.{name} is a class attribute that holds an array or a module; "
                    "class attributes are not fields, so it would never be trained or saved.",
                    f"assign `self.{name} = ...` in __init__.",
                )
