"""Module calls: the named scope of each, and the path that an error carries."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import threading
from collections.abc import Callable
from typing import Any

import jax

from pax._core.errors import CallError, PaxError
from pax._core.jax_compat import is_tracing
from pax._core.node import Node
from pax._core.tree import named_modules, named_submodules


class _Frame:
    """One running call; `names` maps id(submodule) to the names on the way to it.

    `body` is what runs: the module itself, or what stands in for it.
    """

    __slots__ = ("body", "module", "names", "whole")

    def __init__(self, module: Node) -> None:
        self.module = module
        self.body = module
        self.names: dict[int, tuple[str, ...]] | None = None
        self.whole = False

    def way_to(self, module: Node) -> tuple[str, ...]:
        """Returns the attribute names from this call's module to `module`."""
        if self.names is None:
            self.names = {id(m): (name,) for name, m in named_submodules(self.body)}
        if id(module) not in self.names and not self.whole:
            self.whole = True
            self.names.update((id(m), names) for names, m in named_modules(self.body))
        return self.names.get(id(module)) or (_label(module),)


class _Calls(threading.local):
    def __init__(self) -> None:
        self.frames: list[_Frame] = []


_calls = _Calls()


def _label(module: Any) -> str:
    return str(module.__dict__.get("name") or type(module).__name__)


def scoped(call: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps the `__call__` of a module class, or its `decode`: one of the two ways to run it.

    While JAX traces, the call runs in `jax.named_scope` of the module's place in the module that
    calls it, so that the operations of a compiled program carry names such as
    `Model/encoder/layers.3/mlp`. An error that passes is given the path of the innermost call.
    """

    @functools.wraps(call)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        frames = _calls.frames
        if frames and frames[-1].body is self:  # `super().__call__(...)`
            return call(self, *args, **kwargs)
        frames.append(_Frame(self))
        try:
            if is_tracing():
                with jax.named_scope(_scope_name(frames)):
                    return call(self, *args, **kwargs)
            return call(self, *args, **kwargs)
        except TypeError as error:
            _check_arguments(call, self, args, kwargs, frames)
            _add_path(error, frames)
            raise
        except Exception as error:
            _add_path(error, frames)
            raise
        finally:
            frames.pop()

    return run


def note_stand_in(module: Node, stand_in: Node) -> None:
    """Tells the innermost running call, if it is that of a module, that another one runs there."""
    frames = _calls.frames
    if frames and frames[-1].module is module:
        frames[-1].body = stand_in


def note_part(name: str, part: Node) -> None:
    """Gives a name to a module that the innermost running call is about to call.

    For those that are no submodules of it, such as a part rebuilt inside a transformation.
    """
    if _calls.frames:
        frame = _calls.frames[-1]
        frame.way_to(part)
        frame.names = {**(frame.names or {}), id(part): (name,)}


def _scope_name(frames: list[_Frame]) -> str:
    module = frames[-1].module
    return "/".join(frames[-2].way_to(module)) if len(frames) > 1 else _label(module)


def _path(frames: list[_Frame]) -> str:
    names = ["model"]
    for outer, inner in itertools.pairwise(frames):
        names += outer.way_to(inner.module)
    return ".".join(names)


def _add_path(error: Exception, frames: list[_Frame]) -> None:
    """Tells an error where it happened: once, at the innermost call that it leaves."""
    if getattr(error, "_pax_path_known", False):
        return
    with contextlib.suppress(AttributeError):  # some exceptions are frozen dataclasses
        error._pax_path_known = True  # type: ignore[attr-defined]
        if isinstance(error, PaxError):
            error.path = _path(frames)
        elif len(frames) > 1:
            error.add_note(f"  at: {_path(frames)}")


def _check_arguments(
    call: Callable[..., Any],
    module: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    frames: list[_Frame],
) -> None:
    """Raises the clearer error if a `TypeError` came from arguments that do not fit."""
    signature = inspect.signature(call)
    try:
        signature.bind(module, *args, **kwargs)
    except TypeError as mismatch:
        parameters = list(signature.parameters.values())[1:]
        takes = ", ".join(str(p.replace(annotation=p.empty)) for p in parameters)
        method = "" if call.__name__ == "__call__" else f".{call.__name__}"
        error = CallError(
            f"{module!r}{method} was called with arguments that it does not take: {mismatch}.",
            f"call it as module{method}({takes}).",
        )
        _add_path(error, frames)
        raise error from None
