"""Memory: the temporary bytes of the compiled training step, beside its arguments and results."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.case import Case, Figures, Program, Run
from benchmarks.cases import step
from benchmarks.contenders import make
from benchmarks.task import Absent


def programs(quick: bool) -> list[Program]:
    return [program for program in step.programs(quick) if not program.environment]


def prepare(run: Run) -> Callable[[], Figures]:
    task = make(run.contender, **run.sizes)
    task.construct()
    lowered = task.lowered()
    if lowered is None:
        raise Absent("compiles no step")
    memory = lowered.compile().memory_analysis()
    return lambda: {"temporary bytes": memory.temp_size_in_bytes}


CASE = Case(
    title="peak temporary bytes of the compiled training step",
    metrics=("temporary bytes",),
    programs=programs,
    prepare=prepare,
    rounds=(1, 1),
)
