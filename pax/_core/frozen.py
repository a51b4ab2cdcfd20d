"""Static attribute values: when two are the same, and when one may change in place."""

from __future__ import annotations

import collections
import copy
import types
from collections.abc import Collection, Hashable
from typing import Any

import numpy as np

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
        return kind, _freeze_all(value)
    if isinstance(value, dict):
        return kind, _freeze_all(value), _freeze_all(value.values())
    if isinstance(value, (set, frozenset)):
        return kind, frozenset(map(freeze, value))
    return kind, id(value)


def _freeze_all(values: Collection[Any]) -> Hashable:
    """Freezes many values; a vocabulary of one plain type without a step of Python for each."""
    kinds = set(map(type, values))
    if len(kinds) == 1 and kinds <= _BY_VALUE:
        return kinds.pop(), *values
    return tuple(map(freeze, values))


def _is_tuple(value: Any) -> bool:
    """Returns whether `value` is a tuple, named or not, that is no more than its items."""
    return type(value) is tuple or (isinstance(value, tuple) and hasattr(value, "_fields"))


def same(a: Any, b: Any) -> bool:
    """Returns `a == b`; what cannot be compared, or only item by item, is not the same."""
    if a is b:
        return True
    try:
        equal = a == b
    except Exception:
        return False
    return isinstance(equal, (bool, np.bool_)) and bool(equal)


def is_plain(value: Any) -> bool:
    """Returns whether `value` is a number, text or function, or a container of nothing else."""
    kind = type(value)
    if kind in _FIXED:
        return True
    if kind is dict:
        return _FIXED.issuperset(map(type, value.values()))
    return kind in (list, tuple, set) and _FIXED.issuperset(map(type, value))


def is_mutable(value: Any) -> bool:
    """Returns whether a container that can change in place is, or is inside, `value`."""
    if _is_tuple(value):
        return not is_plain(value) and any(map(is_mutable, value))
    return isinstance(value, _MUTABLE)


def snapshot(value: Any) -> Any:
    """Returns `value` with the containers that can change in place copied, all else shared."""
    if not is_mutable(value):
        return value
    if isinstance(value, tuple):
        items = map(snapshot, value)
        return value._make(items) if hasattr(value, "_fields") else tuple(items)  # type: ignore[attr-defined]
    copied = copy.copy(value)
    if is_plain(copied):
        return copied
    if isinstance(copied, dict):
        for k, v in copied.items():
            copied[k] = snapshot(v)
    elif isinstance(copied, (list, collections.deque)):
        for i, v in enumerate(copied):
            copied[i] = snapshot(v)
    return copied
