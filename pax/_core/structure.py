"""The static part of a module: one shared object, with the code that rebuilds the module."""

from __future__ import annotations

import functools
import operator
import weakref
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from pax._core.frozen import freeze, is_mutable, same, snapshot
from pax._core.mixed import Mixed
from pax._core.node import CHILD, Node

#: Attribute name -> `CHILD`, a `Mixed`, or the static value itself; in attribute order.
Entries = dict[str, Any]


class Structure:
    """The class of a module, the names of its children, and its static attributes.

    Two modules of equal static part share one `Structure`, so that JAX compares and hashes a
    tree of modules by identity. Where a value may change in place (a list, or a list that mixes
    layers and functions) the structure is not shared: it keeps a snapshot to compare by and to
    build from, and the module is looked at again when it is flattened.
    """

    __slots__ = (
        "__weakref__",
        "_hash",
        "build",
        "children",
        "cls",
        "compared",
        "entries",
        "key",
        "moving",
        "names",
    )

    def __init__(self, cls: type[Node], entries: Entries, key: Hashable, moving: bool) -> None:
        self.cls = cls
        self.entries = entries
        self.key = key
        self.moving = moving
        self.compared = {k: snapshot(v) for k, v in entries.items()} if moving else entries
        self.names = tuple(k for k, v in entries.items() if v is CHILD or type(v) is Mixed)
        mixed = {k: v for k, v in entries.items() if type(v) is Mixed}
        self.children: Callable[[dict[str, Any]], tuple[Any, ...]] = _getter(self.names, mixed)
        self.build: Callable[[Iterable[Any]], Any] = _builder(self, mixed)
        self._hash: int | None = None

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Structure) or self.cls is not other.cls:
            return False
        mine, its = self.compared, other.compared
        return list(mine) == list(its) and all(same(a, its[k]) for k, a in mine.items())

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.cls, *((k, _hash(v)) for k, v in self.compared.items())))
        return self._hash

    def __repr__(self) -> str:
        shown = {k: v for k, v in self.entries.items() if v is not None}
        return f"{self.cls.__name__}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


_shared: weakref.WeakValueDictionary[Hashable, Structure] = weakref.WeakValueDictionary()


def structure_of(cls: type[Node], entries: Entries, last: Structure | None = None) -> Structure:
    """Returns the structure of these entries, the shared one wherever values allow it.

    Args:
        cls: class of the module.
        entries: what its attributes are.
        last: a structure that may still hold, and is returned if it does.
    """
    key = (cls, *((k, entry_key(v)) for k, v in entries.items()))
    if last is not None and last.key == key:
        return last
    if any(type(v) is Mixed or is_mutable(v) for v in entries.values()):
        return Structure(cls, entries, key, moving=True)
    found = _shared.get(key)
    if found is None:
        found = _shared.setdefault(key, Structure(cls, entries, key, moving=False))
    return found


def entry_key(value: Any) -> Hashable:
    """Returns a key that is equal for two entries only if one can stand for the other."""
    if value is CHILD:
        return CHILD
    if type(value) is Mixed:
        return value.key
    return freeze(value)


def _hash(value: Any) -> int:
    """Hashes a value so that equal values agree; all that cannot be hashed count as one."""
    try:
        return hash(value)
    except TypeError:
        return 0


def _getter(
    names: tuple[str, ...], mixed: dict[str, Mixed]
) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Returns what reads the children out of an instance dictionary."""
    if mixed:
        return lambda d: tuple(mixed[k].hollow(d[k]) if k in mixed else d[k] for k in names)
    if not names:
        return lambda d: ()
    if len(names) == 1:
        (name,) = names
        return lambda d: (d[name],)
    return operator.itemgetter(*names)


#: Sets the dictionary of an instance, past the guard of `Module.__setattr__`.
set_dict: Callable[[Any, dict[str, Any]], None] = Node.__dict__["__dict__"].__set__


def _builder(structure: Structure, mixed: dict[str, Mixed]) -> Callable[[Iterable[Any]], Any]:
    """Returns what makes a module from its children: generated code around one copied dict."""
    static = {k: v for k, v in structure.compared.items() if k not in structure.names}
    template = {"_pax": structure, **{k: static.get(k) for k in structure.entries}}
    new, factory = object.__new__, _build_factory(structure.names)
    build = factory(structure.cls, template.copy, new, set_dict)
    if not structure.moving:
        return build
    fill = [mixed[k].fill if k in mixed else lambda child: child for k in structure.names]
    mutable = [k for k, v in static.items() if is_mutable(v)]

    def build_anew(children: Iterable[Any]) -> Any:
        """Builds a module that shares no container with another."""
        module = build([f(c) for f, c in zip(fill, children, strict=True)])
        for k in mutable:
            module.__dict__[k] = snapshot(static[k])
        return module

    return build_anew


@functools.cache
def _build_factory(names: tuple[str, ...]) -> Callable[..., Any]:
    """Compiles the code that rebuilds modules whose children have these names.

    A dictionary of the static part is copied, which takes a third of the time of writing it down
    anew, and the children are put into their places.
    """
    source = [
        "def factory(cls, copy, new, set_dict):",
        "    def build(children):",
        "        attributes = copy()",
        f"        [{', '.join(f'attributes[{name!r}]' for name in names)}] = children",
        "        module = new(cls)",
        "        set_dict(module, attributes)",
        "        return module",
        "    return build",
    ]
    namespace: dict[str, Any] = {}
    exec("\n".join(source), namespace)
    return namespace["factory"]
