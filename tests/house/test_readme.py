"""The README's first commands and its links are good."""

from __future__ import annotations

import re

from tests.house.tree import ROOT, tracked_files

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)|<img[^>]*\bsrc=\"([^\"]+)\"")


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_two_commands_come_first() -> None:
    blocks = re.findall(r"```(?:bash|sh|console)\n(.*?)```", readme(), re.DOTALL)
    commands = re.findall(r"^(?:\$ )?(make [\w-]+)", "".join(blocks), re.MULTILINE)
    assert commands[:2] == ["make train", "make test"]


def test_the_commands_exist() -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"\bmake ([a-z][\w-]+)\b(?=`|$|\s*#)", readme(), re.MULTILINE)
    assert {"train", "test"} <= set(named) <= set(targets)


def test_local_links_lead_somewhere() -> None:
    links = [link or picture for link, picture in LINK.findall(readme())]
    local = [link.split("#")[0] for link in links if "://" not in link and link[0] != "#"]
    assert any(link.endswith(".png") for link in local), "the README shows its picture"
    files = set(tracked_files())
    folders = {name.rpartition("/")[0] for name in files}
    assert not [link for link in local if link.rstrip("/") not in files | folders]
