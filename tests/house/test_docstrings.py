"""Every public name is documented in the same form."""

from __future__ import annotations

import inspect
import re

import pytest

from tests.house.public_api import (
    constructor,
    method_signature,
    public_methods,
    public_objects,
)
from tests.house.tree import listed

SECTIONS = ["Args", "Returns", "Raises", "Example", "Source"]
HEADING = re.compile(r"^([A-Z][a-z]+):(?=$| )", re.MULTILINE)
ARGUMENT = re.compile(r"^    \*{0,2}(\w+):", re.MULTILINE)

OURS = {
    name: value
    for name, value in public_objects().items()
    if (inspect.isclass(value) or inspect.isroutine(value)) and value.__module__.startswith("pax")
}
METHODS = {
    f"{name}.{method}": function
    for name, value in OURS.items()
    if inspect.isclass(value)
    for method, function in public_methods(value).items()
}


def sections(docstring: str) -> dict[str, str]:
    """Returns the text under each heading of the template, in the order found."""
    pieces = HEADING.split(docstring)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def form_problems(docstring: str, arguments: list[str]) -> list[str]:
    """Returns what is wrong with the lines that are there."""
    problems = []
    first, *rest = docstring.split("\n")
    if not first.endswith("."):
        problems.append(f"the first line is no sentence: {first!r}")
    if rest and rest[0].strip():
        problems.append("the first line is not followed by an empty one")
    found = sections(docstring)
    if list(found) != [name for name in SECTIONS if name in found]:
        problems.append(f"sections {list(found)}; the template has {SECTIONS}, in this order")
    if "Args" in found and ARGUMENT.findall(found["Args"]) != arguments:
        problems.append(f"Args are {ARGUMENT.findall(found['Args'])}, the signature: {arguments}")
    if "Example" in found and ">>> " not in found["Example"]:
        problems.append("the example is no doctest")
    return problems


def missing(docstring: str, needed: list[str]) -> list[str]:
    """Returns which sections are not there; a first line "Returns ..." may say it all."""
    found = {*sections(docstring), docstring.split()[0] if docstring else ""}
    return [f"no {name}" for name in needed if name not in found]


def test_there_is_something_to_read() -> None:
    assert {"pax.Module", "pax.Linear", "pax.purecall", "pax.Module.replace"} <= {*OURS, *METHODS}


@pytest.mark.parametrize("name", OURS)
def test_functions_and_classes(name: str) -> None:
    value = OURS[name]
    is_class = inspect.isclass(value)
    signature = constructor(value) if is_class else inspect.signature(value)
    arguments = list(signature.parameters)
    docstring = inspect.cleandoc(vars(value).get("__doc__") or value.__doc__ or "")

    needed = []
    if arguments and (not is_class or {"__init__", "__new__"} & vars(value).keys()):
        needed.append("Args")
    if not is_class and signature.return_annotation not in (None, "None"):
        needed.append("Returns")
    if not (is_class and issubclass(value, BaseException)):
        needed.append("Example")
    problems = form_problems(docstring, arguments) + missing(docstring, needed)
    assert not problems, listed(problems)


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    value = METHODS[name]
    arguments = [] if isinstance(value, property) else list(method_signature(value).parameters)
    problems = form_problems(inspect.cleandoc(value.__doc__ or ""), arguments)
    assert not problems, listed(problems)
