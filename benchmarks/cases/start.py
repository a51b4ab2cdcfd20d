"""Start: from before the process exists to the end of its first training step."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.case import Case, Figures, Program, Run
from benchmarks.compilations import Compilations
from benchmarks.contenders import make


def programs(quick: bool) -> list[Program]:
    deep = {"layers": 12, "width": 512, "heads": 8}
    if quick:
        deep = {"layers": 2, "width": 64, "heads": 2, "batch": 2, "time": 16}
    return [
        Program("resnet", {"model": "resnet"}),
        *([] if quick else [Program("resnet50", {"model": "resnet50"})]),
        Program("transformer", {"model": "transformer", **deep}),
        Program("transformer_stacked", {"model": "transformer_stacked", **deep}),
    ]


def prepare(run: Run) -> Callable[[], Figures]:
    return lambda: measure(run)


def measure(run: Run) -> Figures:
    begun = time.monotonic()
    task = make(run.contender, **run.sizes)
    compilations = None if run.contender == "torch" else Compilations()
    use_compilation_cache(run)
    imported = time.monotonic()
    task.construct()
    constructed = time.monotonic()
    if compilations:
        compilations.take()
    task.step()
    done, cpu_done = time.monotonic(), time.process_time()
    _, compiling = compilations.take() if compilations else (0, 0.0)
    task.step()
    running = time.monotonic() - done
    return {
        "total s": done - run.started,
        "CPU s": cpu_done,
        "interpreter s": begun - run.started,
        "import s": imported - begun,
        "construct s": constructed - imported,
        "trace s": max(0.0, done - constructed - compiling - running),
        "compile s": compiling,
        "run s": running,
    }


def use_compilation_cache(run: Run) -> None:
    """Keeps compiled programs in the folder of the run, the small ones too."""
    if run.contender == "pax":
        import pax

        pax.use_compilation_cache(run.cache)
    elif run.contender != "torch":
        import jax

        jax.config.update("jax_compilation_cache_dir", run.cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


CASE = Case(
    title="process start to the end of the first training step; warm: the same program again, "
    "over the compilation cache that the cold start filled",
    metrics=(
        "total s",
        "CPU s",
        "interpreter s",
        "import s",
        "construct s",
        "trace s",
        "compile s",
        "run s",
    ),
    programs=programs,
    prepare=prepare,
    starts=("cold", "warm"),
    rounds=(3, 1),
)
