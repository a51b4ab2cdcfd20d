"""Exact, hashable keys of static attribute values."""

from __future__ import annotations

import collections
import copy
import types
from collections.abc import Hashable
from typing import Any

#: Types whose instances are the same when they are equal, as long as the type is the same.
_BY_VALUE = frozenset({bool, int, str, bytes, type(None)})

#: Types whose instances never change, so that nothing inside needs watching.
_FIXED = _BY_VALUE | {float, complex, type, types.FunctionType, types.BuiltinFunctionType}

#: Containers that can change in place, subclasses such as `OrderedDict` included.
_MUTABLE = (list, dict, set, collections.deque, bytearray)


def freeze(value: Any) -> Hashable:
    """Returns a key that is equal for two values only if one can stand for the other.

    `1`, `1.0` and `True` have different keys although they are equal, and so have `0.0` and
    `-0.0`. Containers are frozen as they are now; any other object is known by its identity, so
    the caller keeps it alive for as long as it keeps the key.
    """
    kind = type(value)
    if kind in _BY_VALUE:
        return kind, value
    if kind is float or kind is complex:
        return kind, repr(value)
    if _is_tuple(value) or isinstance(value, (list, collections.deque, bytearray)):
        return (kind, *map(freeze, value))
    if isinstance(value, dict):
        return (kind, *((freeze(k), freeze(v)) for k, v in value.items()))
    if isinstance(value, (set, frozenset)):
        return kind, frozenset(map(freeze, value))
    return kind, id(value)


def _is_tuple(value: Any) -> bool:
    """Returns whether `value` is a tuple, named or not, that is no more than its items."""
    return type(value) is tuple or (isinstance(value, tuple) and hasattr(value, "_fields"))


def is_mutable(value: Any) -> bool:
    """Returns whether a container that can change in place is, or is inside, `value`."""
    if type(value) in _FIXED:
        return False
    if _is_tuple(value):
        return any(map(is_mutable, value))
    return isinstance(value, _MUTABLE)


def snapshot(value: Any) -> Any:
    """Returns `value` with the containers that can change in place copied, all else shared."""
    if not is_mutable(value):
        return value
    if isinstance(value, tuple):
        items = map(snapshot, value)
        return value._make(items) if hasattr(value, "_fields") else tuple(items)  # type: ignore[attr-defined]
    copied = copy.copy(value)
    if isinstance(copied, dict):
        for k, v in copied.items():
            copied[k] = snapshot(v)
    elif isinstance(copied, (list, collections.deque)):
        for i, v in enumerate(copied):
            copied[i] = snapshot(v)
    return copied
