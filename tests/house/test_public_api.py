"""No public name comes, goes or changes unnoticed."""

from __future__ import annotations

import difflib

import pytest

from tests.house.public_api import SNAPSHOT, text


def test_public_names_are_the_noted_ones() -> None:
    noted = SNAPSHOT.read_text(encoding="utf-8") if SNAPSHOT.exists() else ""
    found = text()
    if found != noted:
        changes = difflib.unified_diff(
            noted.splitlines(), found.splitlines(), "noted", "found", lineterm="", n=0
        )
        pytest.fail(
            "The public names are not those of tests/house/public_api.txt:\n"
            + "\n".join(changes)
            + "\nIf the change is meant, write it down: python -m tests.house.public_api",
            pytrace=False,
        )
