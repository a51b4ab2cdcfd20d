"""Dispatch: what a warm call costs around arithmetic that is next to nothing."""

from __future__ import annotations

import timeit
from collections.abc import Callable

from benchmarks.case import Case, Figures, Program, Run
from benchmarks.contenders import make

#: Who keeps its model in a pytree, and under which name.
_TREES = {"jax": "params", "pax": "model", "equinox": "model"}


def programs(quick: bool) -> list[Program]:
    depths = (10, 100) if quick else (10, 100, 300, 1_000)
    trees = [Program(f"{n} layers", {"model": "dense", "depth": n}) for n in depths]
    flat = [
        Program(f"{n} layers, flat", {"model": "dense_flat", "depth": n}, ("jax", "pax"))
        for n in depths
    ]
    return [Program("identity", {"model": "identity"}), *trees, *flat]


def prepare(run: Run) -> Callable[[], Figures]:
    task = make(run.contender, **run.sizes)
    task.construct()
    calls: dict[str, Callable[[], object]] = {}
    if run.sizes["model"] != "dense_flat":
        calls["forward us"] = task.evaluate
    if run.sizes["model"] != "identity":
        calls["step us"] = task.step
    if run.sizes["model"] == "dense" and run.contender in _TREES:
        calls |= tree_calls(getattr(task, _TREES[run.contender]))
    for call in calls.values():
        call()  # compiles
    return lambda: {metric: best_time(call) for metric, call in calls.items()}


def tree_calls(tree: object) -> dict[str, Callable[[], object]]:
    import jax

    leaves, treedef = jax.tree.flatten(tree)
    return {
        "flatten us": lambda: jax.tree.flatten(tree),
        "unflatten us": lambda: jax.tree.unflatten(treedef, leaves),
    }


def best_time(call: Callable[[], object], seconds: float = 0.2) -> float:
    """Returns the least time of a call in microseconds, over short series in that many seconds.

    A series takes a few milliseconds, so that some pass with no other process in between.
    """
    once = min(timeit.repeat(call, number=1, repeat=3))
    number = max(1, int(0.002 / once))
    repeat = max(3, int(seconds / (number * once)))
    return 1e6 * min(timeit.repeat(call, number=number, repeat=repeat)) / number


CASE = Case(
    title="a warm call, model as argument, dense layers of width 8, training with AdamW; flat: the "
    "state is held as one list of arrays between steps; the best of short series",
    metrics=("forward us", "step us", "flatten us", "unflatten us"),
    programs=programs,
    prepare=prepare,
    rounds=(15, 2),
)
