"""Every sentence of the specification has a test, and the map of them is sound."""

from __future__ import annotations

import pytest

from tests.house.spec_map import MAP, SECTIONS, exists, read
from tests.house.tree import listed

TEXT = MAP.read_text(encoding="utf-8")
ROWS = {n: section.rows for n, section in read(TEXT)[0].items()}


def test_the_map_is_well_formed() -> None:
    wrong = read(TEXT)[1]
    assert not wrong, listed(wrong)


@pytest.mark.parametrize("number", SECTIONS)
def test_every_named_test_exists(number: int) -> None:
    tests = [test for _, tests in ROWS[number] for test in tests]
    offences = sorted({f"{test} does not exist" for test in tests if not exists(test)})
    assert not offences, listed(offences)


GOOD = "".join(
    f"## {n}. {title}\n\n| sentence | tests |\n|---|---|\n| One. | `tests/a.py::test_b` |\n\n"
    for n, title in SECTIONS.items()
)
ROW = "| One. | `tests/a.py::test_b` |\n"
BAD = {
    "a section is missing": (GOOD.replace("## 3. Randomness", ""), "section 3 is missing"),
    "an unknown section": (GOOD + "## 12. More\n", ": ## 12. More is no section"),
    "another title": (GOOD.replace("Purity", "Purity!"), "section 2 is missing"),
    "a section twice": (GOOD + "## 1. `pax.Module`\n", "is no section, or it comes twice"),
    "another order": (
        GOOD.replace("## 2. Purity", "X")
        .replace("## 3. Randomness", "## 2. Purity")
        .replace("X", "## 3. Randomness"),
        "the sections are not in the order of the page",
    ),
    "no rows": (GOOD.replace(ROW, "", 1), "section 1: rows, or `(being built)`, but not both"),
    "rows all the same": (
        GOOD.replace("Purity", "Purity (being built)"),
        "section 2: rows, or `(being built)`, but not both",
    ),
    "no test": (GOOD.replace("`tests/a.py::test_b`", "", 1), "line 5: not `| sentence | tests |`"),
    "no sentence": (GOOD.replace("One.", "", 1), "line 5: not `| sentence | tests |`"),
    "no backticks": (GOOD.replace("`tests/a.py::test_b`", "tests/a.py::test_b", 1), "line 5: not"),
    "no test function": (GOOD.replace("::test_b", "::b", 1), "line 5: not"),
    "brackets": (GOOD.replace("::test_b", "::test_b[1]", 1), "line 5: not"),
    "three cells": (GOOD.replace("| One.", "| One | two", 1), "line 5: not"),
    "a row outside": (ROW + GOOD, "line 1: not `| sentence | tests |` under a heading"),
    "a sentence twice": (GOOD.replace(ROW, ROW + ROW, 1), "section 1: twice: One."),
    "a test twice": (
        GOOD.replace("`tests/a.py::test_b`", "`tests/a.py::test_b`, `tests/a.py::test_b`", 1),
        "section 1: tests/a.py::test_b comes twice in one row",
    ),
}


def test_a_good_map_passes() -> None:
    sections, wrong = read(GOOD)
    assert not wrong
    assert [section.rows for section in sections.values()] == [
        [("One.", ["tests/a.py::test_b"])] for _ in SECTIONS
    ]
    empty = GOOD.replace(ROW, "", 1).replace("`pax.Module`", "`pax.Module` (being built)", 1)
    assert not read(empty)[1]
    operators = GOOD.replace("One.", r"`a \| b`", 1)
    assert read(operators)[0][1].rows[0][0] == r"`a \| b`"


@pytest.mark.parametrize("name", BAD)
def test_a_bad_map_does_not(name: str) -> None:
    text, problem = BAD[name]
    assert any(problem in line for line in read(text)[1])


@pytest.mark.parametrize(
    "test",
    [
        "tests/house/test_spec_map.py::test_that_was_never_written",
        "tests/house/never_written.py::test_a_good_map_passes",
        "tests/core/samples.py::normal_",
    ],
)
def test_a_test_that_was_never_written_does_not_exist(test: str) -> None:
    assert not exists(test)
    assert exists("tests/house/test_spec_map.py::test_a_good_map_passes")
