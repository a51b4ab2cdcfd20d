"""Attention alone, over more and more positions: time and temporary bytes."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.case import Case, Figures, Program, Run
from benchmarks.cases.step import best_time
from benchmarks.contenders import make

#: Who has a function for it; "jax" holds all scores, and stops where they pass 8 GB.
_HAVE_ONE = ("jax", "pax", "nnx", "torch")


def programs(quick: bool) -> list[Program]:
    lengths = (512, 1_024) if quick else (512, 1_024, 2_048, 4_096, 8_192, 16_384)
    return [
        program
        for time in lengths
        for program in (
            Program(f"{time} positions", {"model": "attention", "time": time}, _HAVE_ONE),
            Program(
                f"{time} positions, jax.nn",
                {"model": "attention_library", "time": time},
                ("jax",),
            ),
        )
    ]


def prepare(run: Run) -> Callable[[], Figures]:
    task = make(run.contender, **run.sizes)
    task.construct()
    lowered = task.lowered()
    memory = {}
    if lowered is not None:
        size = lowered.compile().memory_analysis().temp_size_in_bytes
        memory = {"temporary bytes": size}
    task.step()
    return lambda: {"step ms": best_time(task.step, calls=1), **memory}


CASE = Case(
    title="causal attention, forward and backward, two heads of width 64",
    metrics=("step ms", "temporary bytes"),
    programs=programs,
    prepare=prepare,
    rounds=(3, 1),
)
