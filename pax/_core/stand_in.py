"""A module of the plain class that stands in for a wrapped one while a method of it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from pax._core.calls import note_stand_in
from pax._core.derived import plain_class, with_class, wrapped_class, wrapping
from pax._core.frozen import is_plain
from pax._core.guard import Draft
from pax._core.node import Node, is_jax_leaf, is_node, is_unit
from pax._core.pytree import rebuilt, seal, structure
from pax._core.structure import set_dict, structure_of
from pax._core.surgery import apply
from pax._core.tree import named_modules


def map_own_arrays(fn: Callable[[Any], Any], module: Node) -> Any:
    """Returns the module with `fn` over its own arrays, not over those of its submodules."""
    own = {k: _mapped(fn, module.__dict__[k]) for k in structure(module).names}
    return rebuilt(module, {k: v for k, v in own.items() if v is not module.__dict__[k]})


def _mapped(
    fn: Callable[[Any], Any], value: Any, where: Callable[[Any], bool] = is_jax_leaf
) -> Any:
    """Returns an attribute's value with `fn` over its arrays; itself if that changes nothing.

    Args:
        fn: maps one array, or what else `where` chooses.
        value: the value.
        where: what is mapped among arrays, modules and static things.
    """
    if is_plain(value):
        return value
    try:
        leaves, treedef = jax.tree_util.tree_flatten(value, is_leaf=is_unit)
    except ValueError:  # a dict whose keys do not compare holds no arrays
        return value
    mapped = [fn(x) if where(x) else x for x in leaves]
    same = all(a is b for a, b in zip(leaves, mapped, strict=True))
    return value if same else treedef.unflatten(mapped)


def _inside(plain: type[Any]) -> dict[str, Any]:
    """Returns nothing: the methods of a stand-in are those of the plain class."""
    return {}


def _is_inside(module: Node) -> bool:
    """Returns whether a module is a stand-in, or a copy of one."""
    return wrapping(type(module)) is _inside


class StandIn:
    """One call of a module of a wrapped class: what runs in its place.

    The stand-in has the methods of the plain class, the same attributes and the very same
    submodules, but its own arrays are what `enter` makes of them. It may be changed exactly if
    the module may. Its class tells its copies from all other modules.

    Args:
        module: a module of a wrapped class.
        mark: a static attribute that modules of the wrapped class have.
        enter: maps the module's own arrays.
        leave: maps the arrays that a method has assigned.
    """

    def __init__(
        self, module: Any, mark: str, enter: Callable[[Any], Any], leave: Callable[[Any], Any]
    ) -> None:
        self._outer = module
        self._mark = mark
        self._leave = leave
        #: Each array of the stand-in and what it was made of, by the id of the former.
        self._origins: dict[int, tuple[Any, Any]] = {}
        names, attributes = structure(module).names, dict(module.__dict__)
        record = attributes.pop("_pax")
        self._given = {
            k: _mapped(lambda x: self._entered(enter(x), x), v) if k in names else v
            for k, v in attributes.items()
        }
        cls = wrapped_class(plain_class(type(module)), _inside)
        if type(record) is Draft:
            record = Draft(record.permit, record.known)
        else:
            record = structure_of(cls, record.entries)
        self.module: Any = object.__new__(cls)
        set_dict(self.module, {"_pax": record, **self._given})
        note_stand_in(module, self.module)

    def _entered(self, new: Any, old: Any) -> Any:
        self._origins[id(new)] = new, old
        return new

    def _origin(self, x: Any) -> Any:
        """Returns what an array was made of; itself if it is none of the stand-in's."""
        return self._origins[id(x)][1] if id(x) in self._origins else x

    def _left(self, x: Any) -> Any:
        """Returns what an array is to the outside."""
        return self._origins[id(x)][1] if id(x) in self._origins else self._leave(x)

    def write_back(self) -> None:
        """Brings what the method changed into the module; the rest keeps its very objects."""
        changed = {k: v for k, v in self.module.__dict__.items() if k != "_pax"}
        seal(self.module)
        outer = self._outer
        if type(outer.__dict__["_pax"]) is not Draft:
            return
        for name in self._given.keys() - changed.keys():
            delattr(outer, name)
        for name, value in changed.items():
            value = _mapped(self._left, value)
            if name not in outer.__dict__ or not _is_same(outer.__dict__[name], value):
                setattr(outer, name, _mapped(self.outside, value, where=is_node))

    def outside(self, x: Any) -> Any:
        """Returns a module as it is to the outside; what is no module, as it is.

        The stand-in is the module that it stands for. A copy that the method made of it (by
        `replace`, or in a function of its own that is pure) gets back the wrapped class, and the
        arrays that are still those of the stand-in are those of the module.
        """
        if x is self.module:
            return self._outer
        if not isinstance(x, Node) or not self._has_parts(x):
            return x
        return apply(x, self._restored)

    def _has_parts(self, x: Node) -> bool:
        """Returns whether a module holds copies of the stand-in, or arrays of it."""
        return any(id(leaf) in self._origins for leaf in jax.tree_util.tree_leaves(x)) or any(
            _is_inside(module) for _, module in named_modules(x)
        )

    def _restored(self, module: Any) -> Any:
        if not _is_inside(module):
            return map_own_arrays(self._origin, module)
        plain = plain_class(type(module))
        if self._mark not in module.__dict__:  # built by `type(self)(...)`
            return with_class(module, plain)
        wrap = wrapping(type(self._outer))
        return with_class(map_own_arrays(self._left, module), wrapped_class(plain, wrap))


def _is_same(a: Any, b: Any) -> bool:
    """Returns whether two values have one structure and the very same leaves."""
    if a is b or is_plain(a):
        return a is b
    try:
        mine, treedef = jax.tree_util.tree_flatten(a, is_leaf=is_unit)
        its, other = jax.tree_util.tree_flatten(b, is_leaf=is_unit)
    except ValueError:
        return False
    return treedef == other and all(x is y for x, y in zip(mine, its, strict=True))
