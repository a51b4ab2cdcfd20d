"""Weights as a dict and back, under the names that PAX programs know."""

from __future__ import annotations

from typing import Any, TypeVar

from pax._core import ArgumentError, Module

M = TypeVar("M", bound=Module)


def save_weights_to_dict(module: Module) -> dict[str, Any]:
    """Returns the arrays of a module by attribute name: `module.state_dict()`.

    Args:
        module: the module.
    Returns:
        Nested dicts, lists and tuples of arrays; None for what is neither array nor module.
    Raises:
        ArgumentError: if `module` is no module.
    Example:
        >>> sorted(pax.experimental.save_weights_to_dict(pax.Linear(2, 3)))
        ['bias', 'weight']
    """
    _check_module(module, "save_weights_to_dict", "pass the module itself", "model")
    return module.state_dict()


def load_weights_from_dict(module: M, state_dict: dict[str, Any]) -> M:
    """Returns the module with the arrays of a dict: `module.load_state_dict(state_dict)`.

    Args:
        module: a module of the structure that the dict was made from.
        state_dict: what `save_weights_to_dict` returned.
    Returns:
        A new module.
    Raises:
        ArgumentError: if `module` is no module.
        StructureError: if entries are missing, unknown, or do not fit; all are listed.
    Example:
        >>> net = pax.Linear(2, 3)
        >>> weights = pax.experimental.save_weights_to_dict(net)
        >>> pax.experimental.load_weights_from_dict(pax.Linear(2, 3), weights) == net
        True
    """
    _check_module(module, "load_weights_from_dict", "pass the module first", "model, weights")
    return module.load_state_dict(state_dict)


def _check_module(module: Any, function: str, advice: str, arguments: str) -> None:
    if not isinstance(module, Module):
        raise ArgumentError(
            f"{function} got {type(module).__name__}; expected a module.",
            f"{advice}: {function}({arguments}).",
        )
