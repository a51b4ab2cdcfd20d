"""Who may change a module now."""

from __future__ import annotations

import contextlib
import threading
import types
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from pax._core.errors import PurityError
from pax._core.jax_compat import trace_state
from pax._core.node import Node


class Permit:
    """Leave to change some modules: on one thread, inside one trace, until it ends."""

    __slots__ = ("_ended", "_thread", "_trace", "adopts", "born", "opened")

    def __init__(self, adopts: bool = False) -> None:
        #: Whether modules that come to stand in one that may be changed may change as well.
        self.adopts = adopts
        #: Modules that may be changed under this permit.
        self.opened: list[Node] = []
        #: Modules constructed while this permit was the innermost one, by id. Nobody else knows
        #: them, so they may be changed as soon as they stand in a module that may. Held weakly:
        #: they may have been made in an inner trace, and hold what must not outlive it.
        self.born: weakref.WeakValueDictionary[int, Node] = weakref.WeakValueDictionary()
        self._ended = False
        self._thread = threading.get_ident()
        self._trace = trace_state()

    def end(self) -> None:
        """Takes the permission back, from copies that got away too."""
        self._ended = True

    def holds_here(self) -> bool:
        """Returns whether the permit holds on this thread, in this trace, now."""
        return (
            not self._ended
            and self._thread == threading.get_ident()
            and self._trace == trace_state()
        )

    def check(self, what: str) -> None:
        """Raises unless the change named by `what` may be made here and now."""
        if self._ended:
            raise not_mutable(what)
        if self._thread != threading.get_ident():
            raise PurityError(
                f"{what} was tried from another thread than the one that may change the module.",
                "return the new value from the thread and assign it where `pax.pure` runs.",
            )
        if self._trace != trace_state():
            raise PurityError(
                f"{what} was tried inside a JAX transformation (jit, grad, vmap, scan, ...) that "
                "began after `pax.pure`; the traced value would leak out of it.",
                "pass the module to the transformed function as an argument, change it there in "
                "`pax.pure`, and return it.",
            )


class _Permits(threading.local):
    def __init__(self) -> None:
        self.stack: list[Permit] = []


_permits = _Permits()


@contextlib.contextmanager
def permission() -> Iterator[Permit]:
    """Yields a permit that ends with the block."""
    permit = Permit(adopts=True)
    _permits.stack.append(permit)
    try:
        yield permit
    finally:
        _permits.stack.remove(permit)
        permit.end()


def note_birth(module: Node) -> None:
    """Tells the innermost permit of this thread, if there is one, of a new module."""
    if _permits.stack:
        _permits.stack[-1].born[id(module)] = module


#: A mapping without entries.
NOTHING: Mapping[str, Any] = types.MappingProxyType({})


class Draft:
    """The state record of a module that may be changed: its permit, and what changed so far.

    Args:
        permit: who may change the module.
        known: what some attributes are, although a tree map has put something else at their
            leaves than arrays and modules.
    """

    __slots__ = ("known", "permit", "written")

    #: A draft is looked at again whenever it is flattened (see `Structure.moving`).
    moving = True

    def __init__(self, permit: Permit, known: Mapping[str, Any] = NOTHING) -> None:
        self.permit = permit
        self.known = known
        self.written: set[str] = set()


def is_sealed(module: Node) -> bool:
    """Returns whether nobody may change a module now."""
    return type(module.__dict__.get("_pax")) is not Draft


def may_change(module: Node) -> bool:
    """Returns whether a module may be changed here and now."""
    record = module.__dict__.get("_pax")
    return type(record) is Draft and record.permit.holds_here()


def not_mutable(what: str) -> PurityError:
    """Returns the error for a change outside every permission, or of a module without one."""
    if _permits.stack:
        return PurityError(
            f"{what} was tried inside `pax.pure`, on a module that `pax.pure` was not given; only "
            "copies of the modules among its arguments may change.",
            "pass the module as an argument, or change it by "
            "`module, out = pax.purecall(module, ...)` and keep that.",
        )
    return PurityError(
        f"{what} was tried outside `pax.pure`; a module does not change, and the update "
        "would be lost.",
        "run it as `module, out = pax.purecall(module, ...)`, or switch the module to "
        "`module.eval()`; for a one-off edit use `module.replace(...)`.",
    )


def check_mutable(record: Any, what: str) -> Draft:
    """Returns the draft of a module, or raises if the module may not be changed now."""
    if type(record) is not Draft:
        raise not_mutable(what)
    record.permit.check(what)
    return record
