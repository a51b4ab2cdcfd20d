"""Every public name has its place on the site."""

from __future__ import annotations

import re

from tests.house.public_api import public_objects
from tests.house.tree import ROOT, listed, tracked_files

PAGES = [name for name in tracked_files() if re.fullmatch(r"docs/.*\.md", name)]
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in PAGES}


def test_every_page_is_in_the_menu() -> None:
    menu = re.findall(r"^ +- (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(f"docs/{page}" for page in menu) == PAGES


def test_every_public_name_is_shown_once() -> None:
    shown = [name for text in TEXTS.values() for name in re.findall(r"^::: (\S+)", text, re.M)]
    offences = [f"{name} is shown twice" for name in set(shown) if shown.count(name) > 1]
    for name, value in public_objects().items():
        origin = f"{value.__module__}.{getattr(value, '__qualname__', '')}"
        if not {name, name.rpartition(".")[0], origin} & set(shown):
            offences.append(f"{name} is on no page: write `::: {name}` on one")
    assert not offences, listed(offences)
