"""The rounds: contenders take turns, so that what else the machine does meets all of them."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable

from benchmarks.case import Case, Figures, Program
from benchmarks.processes import Problem, process
from benchmarks.results import Outcome


def run_program(
    name: str, case: Case, program: Program, rounds: int, say: Callable[[str], None]
) -> dict[str, Outcome]:
    """Returns what every contender gave; one that fails once gets no further turns."""
    outcomes = {contender: Outcome() for contender in program.contenders}
    measures: dict[str, Callable[[], Figures]] = {}

    def measure(contender: str, round_: str) -> Figures:
        say(f"{name}, {program.name}: {contender}, {round_}")
        try:
            return measures[contender]()
        except Problem as problem:
            outcomes[contender].problem = str(problem)
            return {}

    with contextlib.ExitStack() as living:
        for contender in program.contenders:
            if case.starts:
                measures[contender] = functools.partial(_start, name, case, program, contender)
            else:
                measures[contender] = living.enter_context(process(name, program, contender))
                measure(contender, "warming up")  # before the next one starts
        for turn in range(rounds):
            for contender in _in_turn(program.contenders, turn):
                if not outcomes[contender].problem:
                    figures = measure(contender, f"round {turn + 1} of {rounds}")
                    outcomes[contender].rounds += [figures] if figures else []
    return outcomes


def _in_turn(contenders: tuple[str, ...], turn: int) -> tuple[str, ...]:
    """Another contender begins in each round, so that none always follows the same one."""
    first = turn % len(contenders)
    return contenders[first:] + contenders[:first]


def _start(name: str, case: Case, program: Program, contender: str) -> Figures:
    """Returns the figures of new processes, one after the other over one cache that was empty."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        cache = folder if len(case.starts) > 1 else ""  # a cache is for those that come after
        for start in case.starts:
            with process(name, program, contender, cache) as take:
                measured = take()
            figures |= {f"{start} {metric}".strip(): value for metric, value in measured.items()}
    return figures
