"""Every contender and case of the comparison is there, and a case's parts fit together."""

from __future__ import annotations

import pytest

from benchmarks.cases import CASES, load
from benchmarks.contenders import CONTENDERS


def test_contenders() -> None:
    assert CONTENDERS == ("jax", "pax", "equinox", "nnx", "haiku", "torch")


def test_cases() -> None:
    training = ("dispatch", "construction", "start", "step", "depth", "memory")
    assert (*training, "attention", "decoding") == CASES


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_programs_of_a_case(name: str, quick: bool) -> None:
    case = load(name)
    programs = case.programs(quick)
    assert len({program.name for program in programs}) == len(programs) > 0
    for program in programs:
        assert set(program.contenders) <= set(CONTENDERS)
        assert case.yardstick in program.contenders
    assert 1 <= case.rounds[True] <= 2 and case.rounds[True] <= case.rounds[False]
