"""Globs over dotted paths."""

from __future__ import annotations

import pytest

from pax._core import matches


@pytest.mark.parametrize(
    ("glob", "path", "expected"),
    [
        ("weight", "weight", True),
        ("weight", "fc.weight", False),
        ("*.weight", "fc.weight", True),
        ("*.weight", "weight", False),
        ("*.weight", "layers.0.weight", False),
        ("**.weight", "weight", True),
        ("**.weight", "layers.0.weight", True),
        ("**.weight", "layers.0.weight.averages", False),
        ("**", "layers.0.weight", True),
        ("layers.*.weight", "layers.3.weight", True),
        ("layers.**", "layers", True),
        ("layers.**.weight", "layers.3.mlp.fc1.weight", True),
        ("layers.[0-2].*ght", "layers.1.weight", True),
        ("layers.[0-2].*ght", "layers.3.weight", False),
        ("fc?.weight", "fc1.weight", True),
        ("fc*", "fc1.weight", False),
        ("Weight", "weight", False),
    ],
)
def test_matches(glob: str, path: str, expected: bool) -> None:
    assert matches(glob, path) == expected
