"""The map of the specification: which test holds the project to which sentence."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.house.tree import ROOT, parse

MAP = ROOT / "tests" / "spec_map.md"

SECTIONS = {
    1: "`pax.Module`",
    2: "Purity",
    3: "Randomness",
    4: "Transformations of modules",
    5: "Mixed precision",
    6: "Optimizers as modules",
    7: "Experimental",
    8: "Ready networks",
    9: "Other names",
    10: "Names and layouts inside the layers",
    11: "Where this project improves on what PAX programs were used to",
}

_HEADING = re.compile(r"## (\d+)\. (.+?)( \(being built\))?")
_HEAD = ["sentence", "tests"]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@dataclass
class Section:
    """One section of the map: its rows, sentence and names of tests."""

    title: str
    being_built: bool
    rows: list[tuple[str, list[str]]] = field(default_factory=list)


def read(text: str) -> tuple[dict[int, Section], list[str]]:
    """Returns the sections of a map by number, and all that is wrong with it."""
    sections: dict[int, Section] = {}
    wrong: list[str] = []
    current: Section | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#") and not line.startswith("# "):
            current = _heading(line, sections)
            if current is None:
                wrong.append(f"line {number}: {line} is no section, or it comes twice")
        elif line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:]]
            if cells == [*_HEAD, ""] or re.fullmatch(r"\|( ?-+ ?\|){2}", line):
                continue
            row = _row(cells)
            if row is None or current is None:
                wrong.append(f"line {number}: not `| sentence | tests |` under a heading: {line}")
            else:
                current.rows.append(row)
    return sections, wrong + _wrong_sections(sections)


def _heading(line: str, sections: dict[int, Section]) -> Section | None:
    """Adds the section of a heading and returns it; None if it is none of the page."""
    found = _HEADING.fullmatch(line)
    if found is None:
        return None
    number, title, mark = int(found[1]), found[2], found[3]
    if SECTIONS.get(number) != title or number in sections:
        return None
    sections[number] = Section(title, being_built=mark is not None)
    return sections[number]


def _row(cells: list[str]) -> tuple[str, list[str]] | None:
    """Returns the sentence and the tests of a row, or None if it is malformed."""
    if len(cells) != 3 or cells[2] or not cells[0]:
        return None
    tests = cells[1].split(", ")
    if not all(_TEST.fullmatch(test) for test in tests):
        return None
    return cells[0], [test.strip("`") for test in tests]


def _wrong_sections(sections: dict[int, Section]) -> list[str]:
    wrong = [f"section {n} is missing" for n in SECTIONS if n not in sections]
    if list(sections) != sorted(sections):
        wrong.append("the sections are not in the order of the page")
    for number, section in sections.items():
        if bool(section.rows) == section.being_built:
            wrong.append(f"section {number}: rows, or `(being built)`, but not both")
        sentences = [sentence for sentence, _ in section.rows]
        twice = {s for s in sentences if sentences.count(s) > 1}
        wrong += [f"section {number}: twice: {sentence}" for sentence in sorted(twice)]
        wrong += [
            f"section {number}: {test} comes twice in one row"
            for _, tests in section.rows
            for test in sorted({t for t in tests if tests.count(t) > 1})
        ]
    return wrong


def exists(test: str, root: Path = ROOT) -> bool:
    """Returns whether `tests/path.py::test_name` is a test function of that file."""
    name, _, function = test.partition("::")
    return (root / name).is_file() and any(
        isinstance(node, ast.FunctionDef) and node.name == function for node in parse(name).body
    )
