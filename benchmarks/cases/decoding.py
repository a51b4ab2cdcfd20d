"""A language model that writes tokens, each from those before it and a cache: time a step."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.case import Case, Figures, Program, Run
from benchmarks.cases.step import best_time
from benchmarks.contenders import make

_SMALL = {"layers": 4, "time": 16, "vocab_size": 8_192}


def programs(quick: bool) -> list[Program]:
    changed = _SMALL if quick else {}
    return [
        Program(
            f"batch {batch}{name}", {"model": model, "batch": batch, **changed}, ("pax", "torch")
        )
        for batch in (1, 8)
        for model, name in (("decoding", ""), ("decoding_stacked", ", stacked"))
    ]


def prepare(run: Run) -> Callable[[], Figures]:
    task = make(run.contender, **run.sizes)
    task.construct()
    task.evaluate()
    steps = task.outputs().shape[1]
    return lambda: {"token ms": best_time(task.evaluate, calls=1) / steps}


CASE = Case(
    title="64 tokens of a 30-layer, 576-wide model after Llama; a step makes one token a row",
    metrics=("token ms",),
    programs=programs,
    prepare=prepare,
    rounds=(5, 1),
    yardstick="torch",
)
