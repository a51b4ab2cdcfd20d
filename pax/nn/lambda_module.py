"""A function as a module."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from pax._core import ArgumentError, Module


class Lambda(Module):
    """A module that calls a function.

    Args:
        func: what to call; it may be a jitted function, a `functools.partial`, a lambda.
        name: name of the module.
    Raises:
        ArgumentError: if func cannot be called.
    Example:
        >>> net = pax.Lambda(jax.nn.relu)
        >>> print(net.summary())
        x => relu(x)
        >>> net(jnp.array(-1))
        Array(0, dtype=int32, weak_type=True)
    """

    def __init__(self, func: Callable[..., Any], name: str | None = None) -> None:
        super().__init__(name=name)
        if not callable(func):
            raise ArgumentError(
                f"Lambda got a value of type {type(func).__name__}, which cannot be called.",
                "pass a function: pax.Lambda(jax.nn.relu).",
            )
        self.func = func

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Returns what the function returns.

        Args:
            args: passed on.
            kwargs: passed on.
        """
        return self.func(*args, **kwargs)

    def __repr__(self) -> str:
        name = f"({self.name}) " if self.name is not None else ""
        return f"{name}x => {_call_text(self.func)}"


def as_module(layer: str, part: str, value: Any, fix: str) -> Module:
    """Returns what a layer calls as a module, a function in a `Lambda`; raises if it cannot be.

    Args:
        layer: name of the layer's class, for the error.
        part: what the value is in the layer, for the error.
        value: a module or a function.
        fix: what to write instead.
    """
    if not callable(value):
        raise ArgumentError(
            f"{layer} got a value of type {type(value).__name__} as {part}, which cannot be "
            "called.",
            fix,
        )
    if isinstance(value, type) and issubclass(value, Module):
        raise ArgumentError(
            f"{layer} got the class {value.__name__} as {part}; expected a module.",
            f"build it: {value.__name__}(...).",
        )
    return value if isinstance(value, Module) else Lambda(value)


def _call_text(func: Any) -> str:
    """Returns a call of the function on `x` as text, with what a partial has bound already."""
    bound: list[str] = []
    named: list[str] = []
    while isinstance(func, functools.partial):
        bound = [_text(x) for x in func.args] + bound
        named = [f"{k}={_text(x)}" for k, x in func.keywords.items()] + named
        func = func.func
    name = getattr(func, "__name__", None) or type(func).__name__
    return f"{name}({', '.join([*bound, 'x', *named])})"


def _text(value: Any) -> str:
    """Returns a value as text on one line: of an array, dtype and shape."""
    if isinstance(value, (jax.Array, np.ndarray)):
        return f"{value.dtype}{list(value.shape)}"
    return repr(value)
