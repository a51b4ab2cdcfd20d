"""What is installed is what is tested."""

from __future__ import annotations

import re
import tomllib

import pax
from tests.house.tree import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_hard_dependencies_are_these_and_no_more() -> None:
    names = [re.split(r"\W", dependency)[0] for dependency in PROJECT["dependencies"]]
    assert names == ["jax", "jaxtyping", "numpy", "optax", "rich", "safetensors"]


def test_the_oldest_versions_are_the_tested_ones() -> None:
    pinned = re.findall(r"\w+==[\d.]+", (ROOT / "Makefile").read_text().split("test-oldest:")[1])
    bounds = [dependency.replace(">=", "==") for dependency in PROJECT["dependencies"]]
    assert pinned[: len(bounds)] == bounds


def test_the_version_has_its_notes() -> None:
    newest = re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == pax.__version__


def test_annotations_are_shipped() -> None:
    assert (ROOT / "pax/py.typed").exists()
