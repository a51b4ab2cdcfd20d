"""Steady steps: what a training step and an evaluation take once all is compiled and warm."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.case import Case, Figures, Program, Run
from benchmarks.contenders import make

MODELS = (
    "cnn",
    "resnet",
    "transformer",
    "transformer_stacked",
    "lstm",
    "gru",
    "lstm_cell",
    "gru_cell",
)

#: Sizes of a quick run, of models that compile for long or step slowly.
_SMALL = {
    "resnet": {"batch": 8, "blocks_per_group": (1, 1, 1)},
    "transformer": {"layers": 2},
    "transformer_stacked": {"layers": 2},
    "lstm": {"time": 32},
    "gru": {"time": 32},
    "lstm_cell": {"time": 32},
    "gru_cell": {"time": 32},
}


#: What `pax.keep_host_memory` asks of the C library, for the processes of all contenders.
_KEPT = {
    "GLIBC_TUNABLES": "glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=1073741824:"
    "glibc.malloc.trim_threshold=2147483647"
}


def programs(quick: bool) -> list[Program]:
    def program(model: str, kept: bool = False) -> Program:
        sizes = {"model": model, **(_SMALL.get(model, {}) if quick else {})}
        if kept:
            return Program(f"{model}, memory kept", sizes, environment=_KEPT)
        return Program(model, sizes)

    return [*map(program, MODELS), *(program(m, kept=True) for m in ("resnet", "transformer"))]


def prepare(run: Run) -> Callable[[], Figures]:
    task = make(run.contender, **run.sizes)
    task.construct()
    calls = {"step ms": task.step, "evaluation ms": task.evaluate}
    for call in calls.values():
        call()  # compiles
        call()  # compiles again if the first call changed what it is compiled for
    return lambda: {metric: best_time(call) for metric, call in calls.items()}


def best_time(call: Callable[[], object], seconds: float = 0.5, calls: int = 3) -> float:
    """Returns the least time of a call in milliseconds, over that many seconds and calls or more.

    The least one is the one that no other process of the machine delayed.
    """
    times: list[float] = []
    while len(times) < calls or sum(times) < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


CASE = Case(
    title="a warm training step (AdamW) and a warm evaluation; the best of half a second",
    metrics=("step ms", "evaluation ms"),
    programs=programs,
    prepare=prepare,
    rounds=(9, 1),
)
