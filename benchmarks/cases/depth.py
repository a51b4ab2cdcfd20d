"""Depth: how the compiled training step of a transformer grows with its layers."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.case import Case, Figures, Program, Run
from benchmarks.contenders import CONTENDERS, make

_NARROW = {"width": 64, "heads": 2, "batch": 2, "time": 16}


def programs(quick: bool) -> list[Program]:
    depths = (2, 4) if quick else (4, 12, 24, 48, 96)
    compilers = tuple(contender for contender in CONTENDERS if contender != "torch")
    return [
        Program(
            f"{layers} layers{suffix}", {"model": model, "layers": layers, **_NARROW}, compilers
        )
        for model, suffix in (("transformer", ""), ("transformer_stacked", ", stacked"))
        for layers in depths
    ]


def prepare(run: Run) -> Callable[[], Figures]:
    task = make(run.contender, **run.sizes)
    task.construct()

    def measure() -> Figures:
        start = time.perf_counter()
        lowered = task.lowered()
        traced, cpu_traced = time.perf_counter(), time.process_time()
        compiled = lowered.compile()
        done, cpu_done = time.perf_counter(), time.process_time()
        return {
            "compile s": done - traced,
            "compile CPU s": cpu_done - cpu_traced,
            "trace s": traced - start,
            "program bytes": len(compiled.as_text()),
            "lowered bytes": len(lowered.as_text()),
        }

    return measure


CASE = Case(
    title="the training step of a transformer of width 64, plain and with stacked layers",
    metrics=("compile s", "program bytes", "compile CPU s", "trace s", "lowered bytes"),
    programs=programs,
    prepare=prepare,
    starts=("",),
    rounds=(3, 1),
)
