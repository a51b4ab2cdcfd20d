"""Modules as JAX pytrees: which attributes are children, flattening, rebuilding."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import jax

from pax._core.frozen import is_plain
from pax._core.guard import NOTHING, Draft, Permit
from pax._core.mixed import Mixed
from pax._core.node import CHILD, CHILD_TYPES, JAX_LEAVES, Node, is_unit, units
from pax._core.structure import Structure, entry_key, set_dict, structure_of

N = TypeVar("N", bound=Node)


def classify(
    cls: type[Node],
    attributes: Mapping[str, Any],
    known: Mapping[str, Any],
    last: Structure | None = None,
) -> Structure:
    """Returns the structure of a module with these attributes.

    Args:
        cls: class of the module.
        attributes: its attributes by name.
        known: what attributes are that were not assigned since they were looked at (`CHILD` or
            a `Mixed`): they stay so whatever a tree map has put at their leaves.
        last: a structure that may still hold.
    """
    return structure_of(cls, {k: _entry(v, known.get(k)) for k, v in attributes.items()}, last)


def _entry(value: Any, was: Any = None) -> Any:
    """Returns `CHILD`, a `Mixed`, or `value` itself when it is static."""
    if was is CHILD or (was is not None and was.still_fits(value)):
        return was
    if is_plain(value):
        return value
    if isinstance(value, CHILD_TYPES):
        return CHILD
    leaves = units(value)
    dynamic = sum(isinstance(x, CHILD_TYPES) for x in leaves)
    if dynamic == 0:
        return value
    return CHILD if dynamic == len(leaves) else Mixed(value)


def structure(module: Node) -> Structure:
    """Returns the structure of a module as it is now."""
    record = module.__dict__["_pax"]
    if not record.moving:
        return record
    return _current(module, record)


def _current(module: Node, record: Draft | Structure) -> Structure:
    """Looks again at the attributes of a module that changes, or that holds what can change."""
    attributes = module.__dict__
    if isinstance(record, Structure):
        attributes = {k: attributes[k] for k in record.entries}
        known = {k: record.entries[k] for k in record.names}
        return classify(type(module), attributes, known, record)
    attributes = {k: v for k, v in attributes.items() if k != "_pax"}
    known = {k: v for k, v in record.known.items() if k not in record.written}
    return classify(type(module), attributes, known)


def flatten(module: Node) -> tuple[tuple[Any, ...], Structure]:
    """Returns the children of a module and its structure."""
    attributes = module.__dict__
    record = attributes["_pax"]
    if record.moving:
        record = _current(module, record)
    return record.children(attributes), record


def flatten_with_keys(module: Node) -> tuple[tuple[tuple[Any, Any], ...], Structure]:
    """Returns the children of a module, each with its key, and the structure."""
    children, record = flatten(module)
    keys = map(jax.tree_util.GetAttrKey, record.names)
    return tuple(zip(keys, children, strict=True)), record


def unflatten(record: Structure, children: Iterable[Any]) -> Any:
    """Returns a module of this structure with these children."""
    return record.build(children)


def register(cls: type[Node]) -> None:
    """Makes a class of modules known to JAX."""
    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)


def seal(module: Node) -> None:
    """Ends the changes of a module: its attributes are looked at, and fixed from here on."""
    record = module.__dict__["_pax"]
    if type(record) is Draft:
        record = _current(module, record)
        for name in record.names:
            module.__dict__[name] = _in_order(module.__dict__[name])
        module.__dict__["_pax"] = record


def _in_order(value: Any) -> Any:
    """Returns a child with the keys of its plain dicts sorted, in lists and tuples too.

    JAX sorts them whenever it rebuilds a tree, so a model would else call its layers in another
    order after the first copy.
    """
    kind = type(value)
    if kind is dict:
        ordered = {k: _in_order(value[k]) for k in sorted(value)}
        same = list(ordered) == list(value) and all(v is value[k] for k, v in ordered.items())
        return value if same else ordered
    if kind is list or kind is tuple:
        items = kind(map(_in_order, value))
        return value if all(map(operator.is_, items, value)) else items
    return value


def open_copy(module: Node, permit: Permit) -> Any:
    """Returns a copy of a module, of its submodules and containers, that may be changed.

    The module stays as it is; arrays and static values are shared, but for static containers.
    """
    leaves, treedef = jax.tree_util.tree_flatten(module)
    copied = treedef.unflatten(leaves)
    _open(copied, permit)
    return copied


def _open(module: Node, permit: Permit) -> None:
    """Gives leave to change a sealed module and everything under it."""
    record = structure(module)
    foreign = _foreign(module, record, record.names)
    for child in record.children(module.__dict__):
        for unit in [child] if isinstance(child, CHILD_TYPES) else units(child):
            if isinstance(unit, Node):
                _open(unit, permit)
    module.__dict__["_pax"] = Draft(permit, foreign)
    permit.opened.append(module)


def _foreign(module: Node, record: Structure, names: Iterable[str]) -> dict[str, Any]:
    """Returns what those attributes are that their values would not tell any more."""
    was = {k: record.entries[k] for k in names}
    values = module.__dict__
    return {k: v for k, v in was.items() if entry_key(_entry(values[k])) != entry_key(v)}


def adopt(value: Any, permit: Permit) -> Any:
    """Returns what stands in a module that may be changed: the modules in it may change too.

    Modules that were made under this very permit are given leave; in the place of one from
    elsewhere stands a copy. A value without such modules is returned as it is.
    """
    if not permit.adopts or isinstance(value, JAX_LEAVES) or is_plain(value):
        return value
    old = units(value)
    new = [_adopted(x, permit) if isinstance(x, Node) else x for x in old]
    if all(a is b for a, b in zip(old, new, strict=True)):
        return value
    return jax.tree_util.tree_structure(value, is_leaf=is_unit).unflatten(new)


def _adopted(module: Node, permit: Permit) -> Node:
    if type(module.__dict__["_pax"]) is Draft:
        return module
    if permit.born.pop(id(module), None) is None:
        return open_copy(module, permit)
    _open_in_place(module, permit)
    return module


def _open_in_place(module: Node, permit: Permit) -> None:
    """Gives leave to change a new module, and what stands in it."""
    record = structure(module)
    foreign = _foreign(module, record, record.names)
    module.__dict__["_pax"] = Draft(permit, foreign)
    permit.opened.append(module)
    for name in record.names:
        module.__dict__[name] = adopt(module.__dict__[name], permit)


def like_source(new: N, source: Node) -> N:
    """Returns a module that was just made of another; it may be changed if that one may."""
    record = source.__dict__["_pax"]
    if type(record) is Draft and record.permit.adopts and record.permit.holds_here():
        _open_in_place(new, record.permit)
    return new


def rebuilt(module: Node, changes: Mapping[str, Any], mapped: Mapping[str, Any] = NOTHING) -> Any:
    """Returns a module of the same class with other attributes.

    Args:
        module: the module; it stays as it is.
        changes: new values of attributes, known ones or new.
        mapped: new values of children that differ in their modules only.
    """
    new = object.__new__(type(module))
    record = structure(module)
    kept = [k for k in record.names if k not in changes and k not in mapped]
    attributes = {**{k: module.__dict__[k] for k in record.entries}, **mapped, **changes}
    known = {k: record.entries[k] for k in kept} | _foreign(module, record, mapped)
    classified = classify(type(module), attributes, known)
    attributes |= {k: _in_order(v) for k, v in changes.items() if k in classified.names}
    set_dict(new, {"_pax": classified, **attributes})
    return like_source(new, module)
