"""The table of names in other libraries has a row for every layer, and no name that is not ours."""

from __future__ import annotations

import inspect
import operator
import re

import pytest

import pax
from tests.house.tree import ROOT, listed

PAGE = (ROOT / "docs/from-other-libraries.md").read_text(encoding="utf-8")


def tables() -> dict[str, list[list[str]]]:
    """Returns the rows of the table of each section."""
    sections = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)[1:]
    return {
        title: [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in text.splitlines()
            if line.startswith("|")
        ]
        for title, text in zip(sections[::2], sections[1::2], strict=True)
    }


TABLES = tables()
#: Our names in the first column, below the part of the package that heads it.
OURS = [
    f"{table[0][0]}.{name}".removeprefix("pax.")
    for table in TABLES.values()
    if table
    for row in table[2:]
    for name in re.findall(r"`([\w.]+)`", row[0])
]


@pytest.mark.parametrize("title", [title for title, table in TABLES.items() if table])
def test_every_row_is_whole(title: str) -> None:
    head, rule, *rows = TABLES[title]
    assert set(rule) == {"---"}
    assert rows
    for row in rows:
        assert len(row) == len(head), row
        assert all(row[:-1]), row  # a library that has none has a dash
        assert row[0].startswith("`"), row


def test_every_name_is_ours() -> None:
    offences = []
    for name in OURS:
        try:
            operator.attrgetter(name)(pax)
        except AttributeError:
            offences.append(name)
    assert not offences, listed(offences)


def test_every_layer_has_one_row() -> None:
    layers = {
        name
        for name, value in vars(pax).items()
        if inspect.isclass(value) and value.__module__.startswith("pax.nn.")
        if issubclass(value, pax.Module)
    }
    assert sorted(layers - set(OURS)) == []
    assert [name for name in layers if OURS.count(name) > 1] == []
