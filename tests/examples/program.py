"""Runs an example as a user does: a program in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.house.tree import ROOT


def start(environment: dict[str, str], name: str, *arguments: str) -> subprocess.Popen[str]:
    """Starts `python -m examples.<name>` with these arguments."""
    return subprocess.Popen(
        [sys.executable, "-m", f"examples.{name}", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Returns what a program printed that should have ended well, without a word of complaint."""
    output, errors = process.communicate(timeout=1800)
    assert process.returncode == 0, errors
    return output


def png_size(file: Path) -> tuple[int, int]:
    """Returns the width and height of a picture, which is what its name says."""
    header = file.read_bytes()[:24]
    assert header.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(header[16:20]), int.from_bytes(header[20:24])
