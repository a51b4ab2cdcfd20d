"""What a warm training step costs with a `TrainState`, and with a flat list of the same arrays.

Both are compiled with donation, take turns in one process, and do the same arithmetic: AdamW on
small dense layers. Each figure is the median over rounds, in microseconds; the ratio is the median
of the ratios of the rounds. Run it from the root of the project:

    python benchmarks/train_state.py
"""

from __future__ import annotations

import argparse
import functools
import statistics
import timeit
from typing import Any

import jax
import jax.numpy as jnp
import optax

import pax


def loss_fn(model: Any, x: jax.Array) -> Any:
    loss = jnp.mean(jnp.square(model(x)))
    return loss, (loss, model)


def measure(depth: int, rounds: int) -> None:
    model = pax.Sequential(*[pax.Linear(8, 8) for _ in range(depth)])
    x = jnp.ones((1, 8))
    state = pax.TrainState(model, optax.adamw(1e-3))
    step = pax.build_train_step(loss_fn)
    leaves, treedef = jax.tree.flatten(jax.tree.map(jnp.copy, state))

    @functools.partial(jax.jit, donate_argnums=0)
    def flat_step(leaves: list[jax.Array], x: jax.Array) -> Any:
        state, loss = step._run(treedef.unflatten(leaves), x)
        return jax.tree.leaves(state), loss

    def ours() -> None:
        nonlocal state
        state, loss = step(state, x)
        loss.block_until_ready()

    def flat() -> None:
        nonlocal leaves
        leaves, loss = flat_step(leaves, x)
        loss.block_until_ready()

    number = max(5, 3_000 // depth)
    ours(), flat()  # compiles
    times: list[tuple[float, float]] = []
    for i in range(rounds):
        calls = (ours, flat) if i % 2 else (flat, ours)
        took = {call: 1e6 * timeit.timeit(call, number=number) / number for call in calls}
        times.append((took[ours], took[flat]))
    a, b = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(x / y for x, y in times)
    print(
        f"{depth:5d} layers, {len(leaves):5d} arrays   "
        f"state {a:9.1f}   list {b:9.1f}   ratio {ratio:5.3f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--depths", type=int, nargs="+", default=[10, 100, 300])
    parser.add_argument("--rounds", type=int, default=31)
    options = parser.parse_args()
    for depth in options.depths:
        measure(depth, options.rounds)
