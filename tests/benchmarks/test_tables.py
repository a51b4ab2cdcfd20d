"""What the tables show in a cell."""

from __future__ import annotations

import dataclasses

from rich.console import Console

from benchmarks.cases import load
from benchmarks.results import Outcome, Results
from benchmarks.tables import case_tables, target_table
from benchmarks.targets import Verdict

CASE = dataclasses.replace(load("dispatch"), metrics=("forward us", "step us"))
RESULTS = Results(
    {
        "dispatch": {
            "10 layers": {
                "jax": Outcome([{"forward us": 10.0}, {"forward us": 20.0}]),
                "pax": Outcome([{"forward us": 15.0}, {"forward us": 20.0}]),
                "haiku": Outcome(problem="absent: no layer"),
            }
        }
    }
)


def shown(*tables: object) -> str:
    console = Console(width=120, record=True)
    with console.capture() as capture:
        console.print(*tables)
    return capture.get()


def test_ratios_stand_beside_the_yardstick_own_figures() -> None:
    forward, step = (shown(table) for table in case_tables("dispatch", CASE, RESULTS))
    assert "dispatch: forward us" in forward and "dispatch: step us" in step
    for cell in ("10 layers", "15", "10..20", "1.25x", "1..1.5", "absent: no layer"):
        assert cell in forward
    assert "1.25x" not in step
    assert "nnx" not in forward


def test_the_targets_say_met_or_lost() -> None:
    rows = [Verdict("a", "at most 1x", "0.9x", True), Verdict("b", "at most 1x", "1.1x", False)]
    table = shown(target_table(rows, quick=False))
    assert "0.9x" in table and "met" in table and "1.1x" in table and "lost" in table
    assert "not how fast" not in table
    assert "not how fast" in shown(target_table(rows, quick=True))
