"""Reads the package for the site as Python does, and its docstrings as the house writes them."""

from __future__ import annotations

import re
from typing import Any

import griffe


class House(griffe.Extension):
    """What the site's generator has to be told about our files."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Puts an empty line before each heading; griffe looks for doctests under `Examples:`."""
        if obj.docstring:
            text = re.sub(r"^(\w+:)$", r"\n\1", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = text.replace("\nExample:\n", "\nExamples:\n")

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Lets `pax.pure` mean the function, where a folder has a file of the same name."""
        folders = [pkg, *(m for m in pkg.members.values() if isinstance(m, griffe.Module))]
        functions = {
            f"{folder.path}.{name}": origin
            for folder in folders
            for name, origin in folder.imports.items()
            if origin == f"{folder.path}.{name}.{name}"
        }
        for folder in folders:
            for member in folder.members.values():
                if isinstance(member, griffe.Alias):
                    member.target_path = functions.get(member.target_path, member.target_path)
