"""Exact, hashable keys of static attribute values."""

from __future__ import annotations

import types
from collections.abc import Hashable
from typing import Any

#: Types whose instances are the same when they are equal, as long as the type is the same.
_BY_VALUE = frozenset({bool, int, complex, str, bytes, type(None)})

#: Types whose instances never change, so that nothing inside needs watching.
_FIXED = _BY_VALUE | {float, type, types.FunctionType, types.BuiltinFunctionType}


def freeze(value: Any) -> Hashable:
    """Returns a key that is equal for two values only if one can stand for the other.

    `1`, `1.0` and `True` have different keys although they are equal, and so have `0.0` and
    `-0.0`. Built-in containers are frozen as they are now; any other object is known by its
    identity, so the caller keeps it alive for as long as it keeps the key.
    """
    kind = type(value)
    if kind in _BY_VALUE:
        return kind, value
    if kind is float:
        return kind, repr(value)
    if kind is tuple or kind is list:
        return (kind, *map(freeze, value))
    if kind is dict:
        return (kind, *((freeze(k), freeze(v)) for k, v in value.items()))
    if kind is set or kind is frozenset:
        return kind, frozenset(map(freeze, value))
    return kind, id(value)


def is_mutable(value: Any) -> bool:
    """Returns whether a built-in container that can change in place is, or is inside, `value`."""
    kind = type(value)
    if kind in _FIXED:
        return False
    if kind is tuple or kind is frozenset:
        return any(map(is_mutable, value))
    return kind in (list, dict, set)


def snapshot(value: Any) -> Any:
    """Returns `value` with its built-in containers copied, everything else shared."""
    kind = type(value)
    if kind is list or kind is tuple:
        return kind(map(snapshot, value))
    if kind is dict:
        return {k: snapshot(v) for k, v in value.items()}
    if kind is set:
        return set(value)
    return value
