"""Globs over dotted paths."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence


def matches(glob: str, path: str) -> bool:
    """Returns whether a dotted path is one that a glob means: `layers.*.weight`, `**.bias`.

    `**` stands for any number of parts, none too; `*`, `?` and `[...]` stay within one part.
    """
    return _matches(glob.split("."), path.split("."))


def _matches(glob: Sequence[str], path: Sequence[str]) -> bool:
    if not glob:
        return not path
    if glob[0] == "**":
        return any(_matches(glob[1:], path[i:]) for i in range(len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], glob[0]) and _matches(glob[1:], path[1:])
