"""The files of the project, as the house tests read them."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def tracked_files() -> list[str]:
    """Returns the files that git has or would add, relative to the root of the project."""
    command = "git -c safe.directory=* ls-files -z --cached --others --exclude-standard"
    listing = subprocess.check_output(command.split(), cwd=ROOT, text=True)
    return sorted(name for name in listing.split("\0") if name and (ROOT / name).is_file())


def python_files(folder: str = "") -> list[str]:
    """Returns the Python files under a folder (`pax/`), or all of them."""
    return [name for name in tracked_files() if name.startswith(folder) and name.endswith(".py")]


@functools.cache
def parse(name: str) -> ast.Module:
    """Returns the syntax tree of one file."""
    return ast.parse((ROOT / name).read_text(encoding="utf-8"), filename=name)


def definitions(
    name: str,
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yields every class and function of a file with its qualified name."""

    def walk(node: ast.AST, prefix: str) -> Iterator:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + child.name, child
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    yield from walk(parse(name), "")


def module_name(name: str) -> str:
    """Returns what a file is imported as: pax/nn/__init__.py is pax.nn."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@functools.cache
def module_file(module: str) -> str:
    """Returns the file of an importable name: the other way round."""
    return next(name for name in python_files() if module_name(name) == module)


@functools.cache
def public_names(name: str) -> list[str]:
    """Returns the names of a file that a type checker takes for public.

    These are what it defines, or imports under its own name (`X as X`), without an underscore.
    """
    found: set[str] = set()
    for node in ast.walk(parse(name)):
        match node:
            case ast.Module(body=body) | ast.If(body=body):
                for statement in body:
                    match statement:
                        case ast.ClassDef(name=defined) | ast.FunctionDef(name=defined):
                            found.add(defined)
                        case ast.Assign(targets=[ast.Name(id=defined)]):
                            found.add(defined)
                        case ast.AnnAssign(target=ast.Name(id=defined)):
                            found.add(defined)
            case ast.alias(name=defined, asname=same) if defined == same:
                found.add(defined)
    return sorted(name for name in found if not name.startswith("_"))


def listed(offences: list[str]) -> str:
    """Returns the message of a failed assertion, one offence a line."""
    return "".join(f"\n  {offence}" for offence in offences)
