"""What a module costs over the same arrays in a nested dict: flatten, unflatten, a warm `jit` call.

Both take turns in one process; each figure is the best of several rounds, in microseconds.
Run it from the root of the project:

    python benchmarks/dispatch.py
"""

from __future__ import annotations

import argparse
import timeit
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import pax


class Dense(pax.Module):
    """Dense layers one after the other."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.layers = [pax.Linear(8, 8) for _ in range(depth)]

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers:
            x = layer(x)
        return x


def by_dict(layers: dict[str, dict[str, jax.Array]], x: jax.Array) -> jax.Array:
    for layer in layers.values():
        x = x @ layer["weight"] + layer["bias"]
    return x


def step(call: Callable[[Any, jax.Array], jax.Array]) -> Callable[[Any, jax.Array], Any]:
    """Returns a training step: gradient descent on the mean square of the output."""

    @jax.jit
    def update(model: Any, x: jax.Array) -> Any:
        grads = jax.grad(lambda m: jnp.mean(jnp.square(call(m, x))))(model)
        return jax.tree_util.tree_map(lambda p, g: p - 0.01 * g, model, grads)

    return update


def compare(name: str, ours: Callable[[], Any], theirs: Callable[[], Any], number: int) -> None:
    """Prints the best times of both, measured in turns, and their ratio."""
    best = [float("inf"), float("inf")]
    for _ in range(15):
        for i, call in enumerate((ours, theirs)):
            best[i] = min(best[i], timeit.timeit(call, number=number) / number)
    a, b = (1e6 * seconds for seconds in best)
    print(f"  {name:22s} pax {a:9.1f}   dict {b:9.1f}   ratio {a / b:5.2f}")


def measure(depth: int) -> None:
    model = Dense(depth)
    layers = {
        f"layer{i}": {"weight": layer.weight, "bias": layer.bias}
        for i, layer in enumerate(model.layers)
    }
    x = jnp.ones((1, 8))
    number = max(5, 5_000 // depth)
    print(f"{depth} dense layers of width 8, {2 * depth} arrays")

    flatten = jax.tree_util.tree_flatten
    (leaves, ours), (dict_leaves, theirs) = flatten(model), flatten(layers)
    compare("flatten", lambda: flatten(model), lambda: flatten(layers), number)
    compare(
        "unflatten",
        lambda: ours.unflatten(leaves),
        lambda: theirs.unflatten(dict_leaves),
        number,
    )
    forward, dict_forward = jax.jit(lambda m, x: m(x)), jax.jit(by_dict)
    train, dict_train = step(lambda m, x: m(x)), step(by_dict)
    for call, argument in ((forward, model), (dict_forward, layers), (train, model)):
        jax.block_until_ready(call(argument, x))
    jax.block_until_ready(dict_train(layers, x))
    compare(
        "jit forward",
        lambda: forward(model, x).block_until_ready(),
        lambda: dict_forward(layers, x).block_until_ready(),
        number,
    )
    compare(
        "jit training step",
        lambda: jax.block_until_ready(train(model, x)),
        lambda: jax.block_until_ready(dict_train(layers, x)),
        max(2, number // 4),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--depths", type=int, nargs="+", default=[100, 1000])
    for depth in parser.parse_args().depths:
        measure(depth)
