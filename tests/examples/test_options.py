"""The command lines of the programs on images: every option explained, impossible sizes refused."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from examples import diffusion, mixed_precision, vae

PROGRAMS = [vae, diffusion, mixed_precision]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_help_names_every_option(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "--help"])
    with pytest.raises(SystemExit) as stop:
        program.main()
    assert stop.value.code == 0
    text = capsys.readouterr().out
    options = re.findall(r'add_argument\("(--[\w-]+)"', Path(str(program.__file__)).read_text())
    assert {"--data", "--epochs", "--batch-size", "--seed"} <= set(options)
    for option in options:
        assert re.search(rf"^  {option} [^-]*\(default: \S+\)$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@pytest.mark.parametrize(
    "arguments", [("--epochs", "0"), ("--batch-size", "0"), ("--batch-size", "4001")]
)
def test_sizes_that_leave_nothing_to_do(
    program: ModuleType, arguments: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", *arguments])
    with pytest.raises(SystemExit) as stop:
        program.main()
    assert stop.value.code == "--epochs starts at 1; --batch-size goes from 1 to 4000."
