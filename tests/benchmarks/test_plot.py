"""The picture is drawn, whatever is missing."""

from __future__ import annotations

from pathlib import Path

from benchmarks.plot import draw
from benchmarks.results import Outcome, Results


def test_a_picture_of_figures_and_failures(tmp_path: Path) -> None:
    failed = Outcome(problem="failed: ValueError: no")
    figures = [{"forward us": 10.0, "step us": 30.0}, {"forward us": 12.0, "step us": 36.0}]
    dispatch = {
        "identity": {"jax": Outcome([{"forward us": 1.0}]), "pax": failed},
        "10 layers": {"jax": Outcome(figures), "pax": Outcome(figures[::-1]), "nnx": failed},
    }
    results = Results({"dispatch": dispatch, "start": {"resnet": {"jax": failed, "pax": failed}}})
    draw(results, tmp_path / "ratios.png")
    assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")
