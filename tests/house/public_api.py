"""The public names with their signatures, as the lines of public_api.txt."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import pax
from tests.house.tree import module_file, public_names

SNAPSHOT = Path(__file__).with_name("public_api.txt")


class Bare(str):
    """A text that shows without quotes."""

    def __repr__(self) -> str:
        return str(self)


def public_parts() -> list[str]:
    """Returns the public folders and files of the package: pax, pax.functional, ...

    Those inside a part are public if its face imports them by name: pax.experimental.graph.
    """
    found = (module.name for module in pkgutil.iter_modules(pax.__path__))
    parts = ["pax", *(f"pax.{name}" for name in found if not name.startswith("_"))]
    inside = [
        f"{part}.{name}"
        for part in parts[1:]
        for name in public_names(module_file(part))
        if inspect.ismodule(getattr(importlib.import_module(part), name))
    ]
    return parts + inside


def public_objects() -> dict[str, object]:
    """Returns every public object by the first name that it has: pax.Linear, pax.io.load."""
    objects: dict[str, object] = {}
    seen: set[int] = set()
    for part in public_parts():
        module = importlib.import_module(part)
        for name in public_names(module_file(part)):
            value = getattr(module, name)
            if inspect.ismodule(value):  # a part of its own
                continue
            if id(value) not in seen:
                objects[f"{part}.{name}"] = value
            if inspect.isclass(value) or inspect.isroutine(value):
                seen.add(id(value))
    return objects


def public_methods(cls: type) -> dict[str, object]:
    """Returns the methods that a class adds to its public bases, by name."""
    methods: dict[str, object] = {}
    known = {id(value) for value in public_objects().values()} - {id(cls)}
    for base in cls.__mro__:
        if id(base) in known or not base.__module__.startswith("pax"):
            continue
        for name, value in vars(base).items():
            if (name == "__call__" or not name.startswith("_")) and (
                inspect.isroutine(value) or isinstance(value, property)
            ):
                methods.setdefault(name, value)
    return methods


def constructor(cls: type) -> inspect.Signature:
    """Returns what a call of the class takes."""
    if cls.__init__ is not object.__init__:
        signature = without_first(inspect.signature(cls.__init__))
    elif cls.__new__ is not object.__new__:
        signature = without_first(inspect.signature(cls.__new__))
    else:
        signature = inspect.Signature()
    return signature.replace(return_annotation=inspect.Signature.empty)


def without_first(signature: inspect.Signature) -> inspect.Signature:
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def method_signature(value: object) -> inspect.Signature:
    """Returns the signature of a method as its caller sees it."""
    if isinstance(value, staticmethod):
        return inspect.signature(value.__func__)
    function = value.__func__ if isinstance(value, classmethod) else value
    return without_first(inspect.signature(typing.cast(typing.Callable, function)))


def shown(signature: inspect.Signature) -> str:
    """Returns the signature as text, the same on every Python."""

    def annotation(value: object) -> object:
        if isinstance(value, typing.ForwardRef):
            value = value.__forward_arg__
        return Bare(value) if isinstance(value, str) else value

    def default(value: object) -> object:
        named = hasattr(value, "__qualname__") and not inspect.isclass(value)
        return Bare(value.__qualname__) if named else value

    parameters = [
        p.replace(annotation=annotation(p.annotation), default=default(p.default))
        for p in signature.parameters.values()
    ]
    returned = annotation(signature.return_annotation)
    return str(signature.replace(parameters=parameters, return_annotation=returned))


def lines() -> Iterator[str]:
    """Yields the snapshot, line by line."""
    for name, value in public_objects().items():
        if inspect.isclass(value):
            yield name + shown(constructor(value))
            for method, function in sorted(public_methods(value).items()):
                if isinstance(function, property):
                    yield f"{name}.{method}: property"
                else:
                    yield f"{name}.{method}{shown(method_signature(function))}"
        elif inspect.isroutine(value):
            yield name + shown(inspect.signature(value))
        elif isinstance(value, types.ModuleType):
            yield f"{name}: module"
        else:
            yield f"{name}: {type(value).__name__}"


def text() -> str:
    """Returns the whole snapshot."""
    return "".join(f"{line}\n" for line in sorted(lines()))


if __name__ == "__main__":
    SNAPSHOT.write_text(text(), encoding="utf-8")
