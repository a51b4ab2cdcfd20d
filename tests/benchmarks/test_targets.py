"""The verdicts, on figures made up by hand."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.results import Outcome, Results
from benchmarks.targets import ROWS, Verdict, verdicts


def one(case: str, metric: str, programs: dict[str, dict[str, list[float]]]) -> list[Verdict]:
    """Returns the rows that these figures alone decide."""
    outcomes = {
        program: {
            contender: Outcome([{metric: figure} for figure in figures])
            for contender, figures in row.items()
        }
        for program, row in programs.items()
    }
    found = verdicts(Results({case: outcomes}))
    return [verdict for verdict in found if verdict.met is not None]


def test_without_figures_no_row_is_met_or_lost() -> None:
    found = verdicts(Results())
    assert len(found) == len({verdict.row for verdict in found}) > len(ROWS)
    assert {(verdict.measured, verdict.word) for verdict in found} == {("-", "not measured")}


@pytest.mark.parametrize(
    "ours, word", [([110.0, 330.0, 210.0], "met"), ([120.0, 240.0, 330.0], "lost")]
)
def test_a_ratio_is_the_median_over_rounds(ours: list[float], word: str) -> None:
    """Rounds of 100, 200 and 300: the ratios are 1.1, 1.65, 0.7 and 1.2, 1.2, 1.1."""
    figures = {"100 layers": {"pax": ours, "jax": [100.0, 200.0, 300.0]}}
    (verdict,) = one("dispatch", "forward us", figures)
    assert verdict.row == "warm call, 100 layers, forward, against a nested dict"
    assert verdict.target == "at most 1.1x"
    assert verdict.measured == {"met": "1.1x (0.7..1.65)", "lost": "1.2x (1.1..1.2)"}[word]
    assert verdict.word == word


@pytest.mark.parametrize("nnx, word", [(20.0, "met"), (19.0, "lost")])
def test_the_fastest_peer_counts_and_is_named(nnx: float, word: str) -> None:
    row = {"pax": [4.0], "equinox": [40.0], "nnx": [nnx], "torch": [1.0], "jax": [1.0]}
    (verdict,) = one("construction", "s", {"resnet50": row})
    assert verdict.measured.endswith("x (nnx)")
    assert verdict.word == word


def test_stacked_layers_are_held_against_peers_without_them() -> None:
    programs = {
        "transformer": {"pax": [20.0], "haiku": [10.0], "equinox": [12.0]},
        "transformer_stacked": {"pax": [5.0], "equinox": [11.0]},
    }
    (verdict,) = one("start", "cold total s", programs)
    assert (verdict.measured, verdict.word) == ("0.5x (haiku)", "met")


def test_identity_is_a_difference() -> None:
    (verdict,) = one("dispatch", "forward us", {"identity": {"pax": [11.0], "jax": [5.5]}})
    assert (verdict.target, verdict.measured, verdict.word) == ("at most 5 us", "5.5 us", "lost")


@pytest.mark.parametrize("size, word", [(0.0, "met"), (4.0, "lost")])
def test_abstract_construction_makes_no_byte(size: float, word: str) -> None:
    row: dict[str, Any] = {"abstract, 1 B parameters": {"pax": [size]}}
    (verdict,) = one("construction", "array bytes", row)
    assert (verdict.target, verdict.word) == ("at most 0 bytes", word)


def test_depth_is_pax_against_itself() -> None:
    programs = {"4 layers, stacked": {"pax": [100.0]}, "96 layers, stacked": {"pax": [121.0]}}
    (verdict,) = one("depth", "program bytes", programs)
    assert (verdict.measured, verdict.word) == ("1.21x", "lost")


@pytest.mark.parametrize("cell, word", [(15.0, "met"), (14.9, "lost")])
def test_a_sequence_is_held_against_stepping_its_cell(cell: float, word: str) -> None:
    programs = {"lstm": {"pax": [10.0]}, "lstm_cell": {"pax": [cell]}}
    (verdict,) = one("step", "step ms", programs)
    assert (verdict.target, verdict.word) == ("at most 0.6667x", word)


@pytest.mark.parametrize("long, word", [(420.0, "met"), (1600.0, "lost")])
def test_memory_of_attention_is_linear(long: float, word: str) -> None:
    programs = {"4096 positions": {"pax": [100.0]}, "16384 positions": {"pax": [long]}}
    (verdict,) = one("attention", "temporary bytes", programs)
    assert verdict.word == word
