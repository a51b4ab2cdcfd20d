"""Every example of the package, the docs or the README runs, to the letter."""

from __future__ import annotations

import ast
import doctest
import re
import textwrap
from collections.abc import Iterable

import pytest

from tests.house.tree import ROOT, definitions, parse, python_files, tracked_files

FENCE = re.compile(r"^( *)```python[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
PARSER = doctest.DocTestParser()


def docstrings() -> dict[str, tuple[str, int]]:
    """Returns the text and first line of each docstring that holds an example.

    They are read from the files: decorators may hide a function from a search by import. In the
    template a source follows the example at once; doctest wants an empty line between them.
    """
    found = {}
    for name in python_files("pax/"):
        for owner, node in [("", parse(name)), *definitions(name)]:
            text = ast.get_docstring(node, clean=False)
            if text and ">>>" in text:
                ended = re.sub(r"^ *Source:", r"\n\g<0>", text, flags=re.MULTILINE)
                found[f"{name}::{owner}"] = (ended, node.body[0].lineno - 1)
    return found


def pages() -> list[str]:
    """Returns the Markdown files that have a block marked python."""
    names = [n for n in tracked_files() if re.fullmatch(r"README\.md|docs/.*\.md", n)]
    return [name for name in names if FENCE.search((ROOT / name).read_text(encoding="utf-8"))]


DOCSTRINGS = docstrings()
PAGES = pages()


def each(names: Iterable[str]) -> pytest.MarkDecorator:
    """Runs a test once for each name; what is costly to compile, with the slow ones.

    That are whole networks, and pages beside the docstrings of the functions that they are about.
    """
    costly = (
        *("pax/nets/", "pax/nn/transformer"),
        *("docs/nets", "docs/layers/", "docs/generation", "docs/optimizers", "docs/training"),
    )
    slow = pytest.mark.slow
    return pytest.mark.parametrize(
        "name",
        [pytest.param(name, marks=slow if name.startswith(costly) else ()) for name in names],
    )


def run(text: str, names: dict[str, object], file: str, line: int) -> None:
    """Runs the examples of a text in `names`, which keeps what they define."""
    test = PARSER.get_doctest(text, names, file, file, line)
    output: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(
        test, out=output.append, clear_globs=False
    )
    names.update(test.globs)
    if output:
        pytest.fail("".join(output), pytrace=False)


def test_there_are_examples() -> None:
    assert any(name.startswith("pax/nn/") for name in DOCSTRINGS)
    assert {"README.md", "docs/index.md"} <= set(PAGES)


@each(DOCSTRINGS)
def test_docstring(name: str, doctest_namespace: dict[str, object]) -> None:
    text, line = DOCSTRINGS[name]
    run(text, dict(doctest_namespace), name.split("::")[0], line)


@each(PAGES)
def test_page(name: str) -> None:
    """The blocks of a page run one after the other, as a reader would type them."""
    names: dict[str, object] = {"__name__": "__main__"}
    text = (ROOT / name).read_text(encoding="utf-8")
    for block in FENCE.finditer(text):
        line = text.count("\n", 0, block.start(2))
        code = textwrap.dedent(block[2])
        if ">>> " in code:
            run(code, names, name, line)
        else:
            exec(compile("\n" * line + code, ROOT / name, "exec", dont_inherit=True), names)
