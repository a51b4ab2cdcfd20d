"""The command lines of the programs: every option explained, impossible sizes refused."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from examples import (
    dataclass_module,
    diffusion,
    fine_tune,
    graph_module,
    language_model,
    lazy_module,
    mixed_precision,
    mnist,
    optimizer_module,
    vae,
)

ON_IMAGES = [vae, diffusion, mixed_precision]
WALK_THROUGHS = [dataclass_module, graph_module, lazy_module, optimizer_module]
PROGRAMS = [*ON_IMAGES, *WALK_THROUGHS, fine_tune, language_model]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_help_names_every_option(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "--help"])
    with pytest.raises(SystemExit) as stop:
        program.main()
    assert stop.value.code == 0
    text = capsys.readouterr().out
    options = re.findall(r'add_argument\(\s*"(--[\w-]+)"', Path(str(program.__file__)).read_text())
    least = ["--data", "--epochs", "--batch-size"] if program in ON_IMAGES else ["--steps"]
    assert {*least, "--seed"} <= set(options)
    for option in options:
        assert re.search(rf"^  {option} [^-]*\(default: [^)]+\)$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", ON_IMAGES, ids=lambda program: program.__name__)
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


@pytest.mark.parametrize("program", [mnist, *PROGRAMS], ids=lambda program: program.__name__)
def test_a_second_start_compiles_nothing(program: ModuleType) -> None:
    text = Path(str(program.__file__)).read_text()
    assert '\nif __name__ == "__main__":\n    pax.use_compilation_cache()\n' in text
