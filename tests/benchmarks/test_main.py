"""What a run of some cases keeps of the figures that were there."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.__main__ import earlier
from benchmarks.results import Outcome, Results

FIGURES = Results({"step": {"cnn": {"jax": Outcome([{"step ms": 2.0}])}}})
MACHINE = {"cores": 2, "packages": {"jax": "1.0"}}


def test_figures_of_the_same_machine_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert earlier(file, False, MACHINE) == Results()
    found = {"quick": False, "machine": MACHINE, "cases": FIGURES.to_json()}
    file.write_text(json.dumps(found))
    assert earlier(file, False, MACHINE) == FIGURES
    assert earlier(file, True, MACHINE) == Results()
    assert earlier(file, False, {"cores": 2, "packages": {"jax": "2.0"}}) == Results()
