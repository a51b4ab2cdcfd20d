"""Same-named subclasses of module classes, made while the program runs."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from pax._core.node import Node
from pax._core.pytree import flatten, like_source
from pax._core.structure import structure_of

M = TypeVar("M", bound=Node)

#: Two threads that ask for one subclass at once get one and the same.
_making = threading.RLock()


def derived_class(base: type[M], methods: dict[str, Any]) -> type[M]:
    """Returns the subclass of the same name with these methods, one and the same each time.

    A wrapping of the base stays outermost: the new methods are wrapped as well.
    """
    wrap = wrapping(base)
    if wrap is not None:
        return wrapped_class(derived_class(plain_class(base), methods), wrap)
    body = {**methods, "_pax_note": f"with another {', '.join(methods)}"}
    return subclass(base, tuple(methods.items()), lambda: body, (derived_class, (base, methods)))


def wrapped_class(plain: type[M], wrap: Callable[[type[Any]], dict[str, Any]]) -> type[M]:
    """Returns the subclass of the same name whose body `wrap` makes, one and the same each time.

    Args:
        plain: the class.
        wrap: takes the class, returns the methods that go around its own.
    """

    def body() -> dict[str, Any]:
        note = "with wrapped methods"
        return {**wrap(plain), "_pax_wrapping": (plain, wrap), "_pax_note": note}

    return subclass(plain, wrap, body, (wrapped_class, (plain, wrap)))


def plain_class(cls: type[M]) -> type[M]:
    """Returns the class that a wrapping goes around; the class itself if there is none."""
    return vars(cls).get("_pax_wrapping", (cls, None))[0]


def wrapping(cls: type[Any]) -> Any:
    """Returns what made the body of a wrapped class; None for any other class."""
    return vars(cls).get("_pax_wrapping", (cls, None))[1]


def subclass(
    base: type[M], key: Hashable, body: Callable[[], dict[str, Any]], remake: tuple[Any, ...]
) -> type[M]:
    """Returns the one subclass of this key; it pickles as a call, `remake`."""
    with _making:
        known = vars(base).get("_pax_variants")
        if known is None:
            known = weakref.WeakValueDictionary()
            type.__setattr__(base, "_pax_variants", known)
        found = known.get(key)
        if found is None:
            namespace = {
                **body(),
                "__module__": base.__module__,
                "__qualname__": base.__qualname__,
                "__doc__": base.__doc__,
                "_pax_remake": remake,
            }
            found = known[key] = type(base)(base.__name__, (base,), namespace)
        return found


def with_class(module: M, cls: type[M], without: str | None = None) -> M:
    """Returns a new module of another class with the same attributes.

    Args:
        module: the module.
        cls: the class.
        without: the name of a static attribute that is left out.
    """
    children, record = flatten(module)
    entries = {k: v for k, v in record.entries.items() if k != without}
    return like_source(structure_of(cls, entries).build(children), module)
