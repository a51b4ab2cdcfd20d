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


def test_a_contender_gives_figures_from_its_own_process() -> None:
    """The smallest real run: two rounds of a call that does nothing."""
    case = load("dispatch")
    program = Program("identity", {"model": "identity"}, ("jax",))
    said: list[str] = []
    row = run_program("dispatch", case, program, 2, said.append)
    assert row["jax"].problem == ""
    assert [list(figures) for figures in row["jax"].rounds] == [["forward us"]] * 2
    assert all(figures["forward us"] > 0 for figures in row["jax"].rounds)
    assert said == [
        f"dispatch, identity: jax, {turn}"
        for turn in ("warming up", "round 1 of 2", "round 2 of 2")
    ]
