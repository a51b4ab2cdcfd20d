"""Every file can be read in one sitting."""

from __future__ import annotations

import ast
import re
from pathlib import PurePath
from typing import Any

from tests.house.tree import ROOT, definitions, listed, parse, python_files, tracked_files

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

#: Names that say nothing of what is inside. `pax.utils` is the face that PAX programs import.
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
KEPT_NAMES = {"pax/utils.py"}

PRIVATE_JAX = re.compile(r"(jax\._src|jax\.interpreters|jaxlib)\b")
JAX_COMPAT = "pax/_core/jax_compat.py"

#: A folder of somebody's own machine, on any system.
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|Users|root|work|tmp)/\w|[A-Z]:\\\\?Users\b")


def test_there_are_files() -> None:
    names = python_files("pax/")
    assert "pax/__init__.py" in names
    assert JAX_COMPAT in names


def test_files_are_short() -> None:
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in python_files()}
    offences = [f"{name}: {n} lines" for name, n in lengths.items() if n > MAX_FILE_LINES]
    assert not offences, listed(offences)


def test_functions_are_short() -> None:
    offences = []
    for name in python_files():
        for function, node in definitions(name):
            lines = _length(node) - _length_of_docstring(node)
            if not isinstance(node, ast.ClassDef) and lines >= MAX_FUNCTION_LINES:
                offences.append(f"{name}:{node.lineno} {function}: {lines} lines")
    assert not offences, listed(offences)


def _length(node: ast.AST) -> int:
    return (getattr(node, "end_lineno", None) or 0) - getattr(node, "lineno", 0) + 1


def _length_of_docstring(node: Any) -> int:
    """Returns its lines, which do not count: they follow the number of arguments."""
    return 0 if ast.get_docstring(node) is None else _length(node.body[0])


def test_first_line_names_the_idea() -> None:
    offences = []
    for name in python_files():
        docstring = ast.get_docstring(parse(name), clean=False)
        if docstring is None or parse(name).body[0].lineno > 2:
            offences.append(f"{name}: does not start with a docstring")
        elif not docstring.split("\n")[0].endswith("."):
            offences.append(f"{name}: the first line is no sentence: {docstring.split(chr(10))[0]}")
    assert not offences, listed(offences)


def test_file_names_say_something() -> None:
    offences = [
        name
        for name in python_files()
        if name not in KEPT_NAMES and VAGUE_NAMES & set(PurePath(name).with_suffix("").parts)
    ]
    assert not offences, listed(offences)


def test_only_jax_compat_touches_private_jax() -> None:
    offences = []
    for name in python_files():
        if name == JAX_COMPAT:
            continue
        for node in ast.walk(parse(name)):
            match node:
                case ast.Import():
                    used = [alias.name for alias in node.names]
                case ast.ImportFrom():
                    used = [f"{node.module}.{alias.name}" for alias in node.names]
                case ast.Attribute():
                    used = [ast.unparse(node)]
                case _:
                    continue
            offences += [f"{name}:{node.lineno} {use}" for use in used if PRIVATE_JAX.match(use)]
    assert not offences, listed(offences)


def test_the_package_raises_and_never_asserts() -> None:
    offences = [
        f"{name}:{node.lineno}"
        for name in python_files("pax/")
        for node in ast.walk(parse(name))
        if isinstance(node, ast.Assert)
    ]
    assert not offences, listed(offences)


def test_no_path_of_one_machine() -> None:
    offences = []
    for name in tracked_files():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a picture
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE_PATH.search(line):
                offences.append(f"{name}:{number} {line.strip()}")
    assert not offences, listed(offences)
