"""Modules as nested dicts of arrays, and back."""

from __future__ import annotations

import copy
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
import numpy as np

from pax._core import EmptyNode, Module, StructureError, flatten, is_jax_leaf, is_unit, some

M = TypeVar("M", bound=Module)


@runtime_checkable
class _SavedAsParts(Protocol):
    """A module in whose place a state dict holds a list of modules, at the root a dict."""

    def _to_saved(self) -> list[Any]: ...

    def _from_saved(self, saved: list[Any]) -> Any: ...


def to_state_dict(module: Module) -> dict[str, Any]:
    """Returns the arrays of a module by attribute name; this is `Module.state_dict`.

    Args:
        module: the module.
    Returns:
        Nested dicts, lists and tuples of arrays; None for what is neither array nor module. A
        stack of layers shows as the list of them; at the root, as a dict with keys "0", "1", ...
    Example:
        >>> sorted(pax.io.to_state_dict(pax.Linear(2, 3)))
        ['bias', 'weight']
    """
    if isinstance(module, _SavedAsParts):
        return _to_state(_numbered(module._to_saved()))
    children, record = flatten(module)
    return {k: _to_state(v) for k, v in zip(record.names, children, strict=True)}


def _to_state(tree: Any) -> Any:
    def state(x: Any) -> Any:
        if isinstance(x, _SavedAsParts):
            return _to_state(x._to_saved())
        if isinstance(x, Module):
            return to_state_dict(x)
        return x if is_jax_leaf(x) else None

    return jax.tree_util.tree_map(state, tree, is_leaf=is_unit)


def _numbered(parts: list[Any]) -> dict[str, Any]:
    """Returns a list as a dict of the same paths."""
    return {str(i): part for i, part in enumerate(parts)}


class _Loading:
    """One load: what did not fit, by path."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def module(self, module: M, state: Any, path: str) -> M:
        if isinstance(module, _SavedAsParts):
            return self.parts(module, state, path)
        if not isinstance(state, dict):
            self.problems.append(f"{path or '(root)'}: {_shown(state)} for a module")
            return module
        children, record = flatten(module)
        for name in state:
            if name not in record.names:
                self.problems.append(f"{_join(path, name)}: unknown")
        loaded = [
            self.value(child, state[name], _join(path, name))
            if name in state
            else self.absent(module, name, child, _join(path, name))
            for name, child in zip(record.names, children, strict=True)
        ]
        return record.build(loaded)

    def parts(self, module: Any, state: Any, path: str) -> Any:
        """Returns a module that is saved as a list, or at the root as a dict, of its parts."""
        parts, known = module._to_saved(), len(self.problems)
        if isinstance(state, dict):
            loaded = list(self.value(_numbered(parts), state, path).values())
        else:
            loaded = self.value(parts, state, path)
        return module._from_saved(loaded) if len(self.problems) == known else module

    def absent(self, module: Module, name: str, child: Any, path: str) -> Any:
        """Returns what an attribute is that the dict does not have; its class may know it."""
        if name in module._absent_state and is_jax_leaf(child):
            return jax.device_put(np.full(child.shape, module._absent_state[name], child.dtype))
        return self.missing(child, path)

    def missing(self, child: Any, path: str) -> Any:
        self.problems.append(f"{path}: missing")
        return child

    def value(self, child: Any, state: Any, path: str) -> Any:
        """Returns what takes the place of a child: a module, an array, or a container of them."""
        if isinstance(child, Module):
            return self.module(child, state, path)
        if is_jax_leaf(child):
            return self.array(child, state, path)
        if state is None and (child is None or isinstance(child, EmptyNode)):
            return child
        if isinstance(child, (list, tuple)) and isinstance(state, (list, tuple)):
            if len(child) == len(state):
                pairs = zip(child, state, strict=True)
                items = [self.value(c, s, _join(path, str(i))) for i, (c, s) in enumerate(pairs)]
                return type(child)(*items) if hasattr(child, "_fields") else type(child)(items)
        elif isinstance(child, dict) and isinstance(state, dict):
            for key in state:
                if key not in child:
                    self.problems.append(f"{_join(path, str(key))}: unknown")
            loaded = copy.copy(child)
            for k, v in child.items():
                where = _join(path, str(k))
                loaded[k] = self.value(v, state[k], where) if k in state else self.missing(v, where)
            return loaded
        elif jax.tree_util.tree_structure(_to_state(child)) == jax.tree_util.tree_structure(state):
            leaves, treedef = jax.tree_util.tree_flatten(child)
            states = jax.tree_util.tree_leaves(state)
            return treedef.unflatten(
                [self.array(c, s, path) for c, s in zip(leaves, states, strict=True)]
            )
        self.problems.append(f"{path}: {_shown(state)} for {_shown(child)}")
        return child

    def array(self, old: Any, new: Any, path: str) -> Any:
        if isinstance(new, np.ndarray) and not isinstance(old, np.ndarray):
            new = jax.device_put(new.copy())  # jnp.asarray would compile for each shape
        if not is_jax_leaf(new) or (new.shape, new.dtype) != (old.shape, old.dtype):
            self.problems.append(f"{path}: {_shown(new)} for {_shown(old)}")
            return old
        return new


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(x: Any) -> str:
    if is_jax_leaf(x):
        return f"{x.dtype}[{','.join(map(str, x.shape))}]"
    return f"a {type(x).__name__} of length {len(x)}" if hasattr(x, "__len__") else repr(x)


def from_state_dict(module: M, state_dict: dict[str, Any]) -> M:
    """Returns the module with the arrays of a state dict; this is `Module.load_state_dict`.

    Args:
        module: a module of the structure that the state dict was made from.
        state_dict: what `to_state_dict` returned.
    Returns:
        A new module.
    Raises:
        StructureError: if entries are missing, unknown, or do not fit; all are listed.
    Example:
        >>> net = pax.Linear(2, 3)
        >>> pax.io.from_state_dict(net, net.state_dict()) == net
        True
    """
    loading = _Loading()
    loaded = loading.module(module, state_dict, "")
    if loading.problems:
        raise StructureError(
            f"the state dict does not fit {type(module).__name__}: {some(loading.problems)}.",
            "save and load with modules built by the same constructor arguments; cast them, or "
            "apply a precision policy, after loading.",
        )
    return loaded
