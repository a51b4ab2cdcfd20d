"""Dispatch: what a warm call costs around arithmetic that is next to nothing."""

from __future__ import annotations

import timeit
from collections.abc import Callable

from benchmarks.case import Case, Figures, Program, Run
from benchmarks.contenders import make


def programs(quick: bool) -> list[Program]:
    depths = (10, 100) if quick else (10, 100, 300, 1_000)
    return [
        Program("identity", {"model": "identity"}),
        *(Program(f"{depth} layers", {"model": "dense", "depth": depth}) for depth in depths),
    ]


def prepare(run: Run) -> Callable[[], Figures]:
    task = make(run.contender, **run.sizes)
    task.construct()
    calls = {"forward us": task.evaluate}
    if run.sizes["model"] != "identity":
        calls["step us"] = task.step
    for call in calls.values():
        call()  # compiles
    return lambda: {metric: best_time(call) for metric, call in calls.items()}


def best_time(call: Callable[[], object], seconds: float = 0.3) -> float:
    """Returns the least time of a call in microseconds, over short series in that many seconds."""
    once = min(timeit.repeat(call, number=1, repeat=3))
    number = max(1, int(0.01 / once))
    repeat = max(3, int(seconds / (number * once)))
    return 1e6 * min(timeit.repeat(call, number=number, repeat=repeat)) / number


CASE = Case(
    title="a warm call, model as argument, dense layers of width 8; the best of short series",
    metrics=("forward us", "step us"),
    programs=programs,
    prepare=prepare,
)
