"""What a warm `jit` call costs with a model and its optimizer as they are, and in a `Flattener`.

The compiled function returns what it is given. Both take turns in one process; each figure is the
best of several rounds, in microseconds. Run it from the root of the project:

    python benchmarks/flattener.py
"""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable
from typing import Any

import jax
import optax

import pax


def best_times(calls: list[Callable[[], Any]], number: int) -> list[float]:
    """Returns the best time of each, in microseconds, measured in turns."""
    best = [float("inf")] * len(calls)
    for _ in range(15):
        for i, call in enumerate(calls):
            best[i] = min(best[i], timeit.timeit(call, number=number) / number)
    return [1e6 * seconds for seconds in best]


def measure(depth: int) -> None:
    model = pax.Sequential(*[pax.Linear(8, 8) for _ in range(depth)])
    state = optax.adam(1e-3).init(model.parameters())
    flat = pax.experimental.Flattener(model=model, state=state)
    as_trees = jax.jit(lambda model, state: (model, state))
    as_leaves = jax.jit(lambda flat: flat)
    calls = [
        lambda: jax.block_until_ready(as_trees(model, state)),
        lambda: jax.block_until_ready(as_leaves(flat)),
    ]
    for call in calls:
        call()  # compiles
    trees, leaves = best_times(calls, max(2, 1_000 // depth))
    print(
        f"{depth:5d} layers, {len(jax.tree.leaves(flat)):5d} arrays   "
        f"trees {trees:9.1f}   flattener {leaves:9.1f}   ratio {leaves / trees:5.2f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--depths", type=int, nargs="+", default=[10, 100, 300])
    for depth in parser.parse_args().depths:
        measure(depth)
