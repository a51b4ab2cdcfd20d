"""Construction: from nothing to all first weights, and to their shapes alone."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.case import Case, Figures, Program, Run
from benchmarks.compilations import Compilations
from benchmarks.contenders import make


def programs(quick: bool) -> list[Program]:
    deep = {"layers": 12, "width": 512, "heads": 8}
    if quick:
        deep = {"layers": 2, "width": 128, "heads": 4}
    large = {"layers": 20, "width": 2_048, "heads": 16}
    return [
        Program("mlp", {"model": "mlp"}),
        Program("resnet" if quick else "resnet50", {"model": "resnet" if quick else "resnet50"}),
        Program("transformer", {"model": "transformer", **deep}),
        Program("abstract, 1 B parameters", {"model": "transformer", **large, "abstract": True}),
    ]


def prepare(run: Run) -> Callable[[], Figures]:
    sizes = dict(run.sizes)
    abstract = sizes.pop("abstract", False)
    task = make(run.contender, **sizes)
    build = task.abstract if abstract else task.draw
    if run.contender == "torch":
        return lambda: timed(build)[0]
    import jax

    compilations = Compilations()

    def measure() -> Figures:
        before = sum(array.nbytes for array in jax.live_arrays())
        figures, built = timed(build)
        after = sum(array.nbytes for array in jax.live_arrays())
        del built  # lived until its arrays were counted
        count, _ = compilations.take()
        return {**figures, "compilations": count, "array bytes": after - before}

    return measure


def timed(build: Callable[[], object]) -> tuple[Figures, object]:
    start, cpu_start = time.perf_counter(), time.process_time()
    built = build()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return {"s": seconds, "CPU s": cpu_seconds}, built


CASE = Case(
    title="first weights, or their shapes alone; libraries imported and nothing compiled before",
    metrics=("s", "compilations", "CPU s", "array bytes"),
    programs=programs,
    prepare=prepare,
    starts=("",),
    rounds=(5, 1),
)
