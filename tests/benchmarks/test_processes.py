"""A contender that gives no figures says why in its row."""

from __future__ import annotations

from benchmarks.case import Program
from benchmarks.cases import load
from benchmarks.results import Results
from benchmarks.rounds import run_program
from benchmarks.tables import cell


def test_a_contender_that_fails_shows_as_failed() -> None:
    case = load("dispatch")
    program = Program("identity", {"model": "identity"}, ("nobody",))
    row = run_program("dispatch", case, program, 1, lambda text: None)
    results = Results({"dispatch": {"identity": row}})
    shown = cell(results, "dispatch", case, "identity", "nobody", "forward us")
    assert shown == "failed: ModuleNotFoundError: No module named 'benchmarks.contenders.nobody'"
