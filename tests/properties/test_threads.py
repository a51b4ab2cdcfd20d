"""Sixteen threads build, change, compile and draw at once; each gets what it would get alone."""

from __future__ import annotations

import pickle
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax.experimental import mutable

THREADS = 16


def fresh_classes() -> tuple[Any, Any]:
    """Returns two classes that no thread has used: their first instances come all at once."""

    @dataclass
    class Record(pax.Module):
        weight: Any
        sizes: Any
        step: int = 0

    class Net(pax.Module):
        def __init__(self, seed: int) -> None:
            self.seed = seed
            self.layers = [pax.Linear(3, 3), jnp.tanh, pax.Dropout(0.5)]
            self.average = pax.EMA(jnp.zeros((2, 3)), 0.9)
            self.rngs = pax.RngSeq(seed)
            self.record = Record(jnp.arange(3.0) + seed, [seed])

        def __call__(self, x: jax.Array) -> jax.Array:
            for layer in self.layers:
                x = layer(x)
            self.record.step += 1
            self.record.sizes.append(self.seed)
            self.rngs.next_rng_key()
            return self.average(x)

    return Net, Record


@jax.jit
def shared_step(layer: pax.Linear, dropout: pax.Dropout, x: jax.Array) -> Any:
    """A compiled function that all threads call, each with modules of its own."""
    return pax.purecall(dropout, layer(x))


def halved(self: Any, x: jax.Array) -> jax.Array:
    """A method that `replace_method` puts into the place of another."""
    return x / 2


Operation = Callable[[Any, jax.Array, random.Random], Any]


def call(net: Any, x: jax.Array, rng: random.Random) -> Any:
    net, _ = net % x
    return net


def call_compiled(net: Any, x: jax.Array, rng: random.Random) -> Any:
    dropout, y = shared_step(net.layers[0], net.layers[2], x)
    net = net.replace_node(net.layers[2], dropout)
    return net.replace_node(net.record.weight, net.record.weight + y[0, 0])


def compile_anew(net: Any, x: jax.Array, rng: random.Random) -> Any:
    scale = rng.random()
    layer = jax.jit(lambda layer: layer.map(lambda a: a * scale))(net.layers[0])
    return net.replace_node(net.layers[0], layer)


def change(net: Any, x: jax.Array, rng: random.Random) -> Any:
    shift = rng.random()

    def run(net: Any) -> Any:
        net.record.weight = net.record.weight + shift
        net.layers = [*net.layers, pax.Linear(3, 3)]
        time.sleep(0)  # let another thread in while this one may change its modules
        net.layers[-1].name = f"made {shift}"
        net.layers[-1].bias = net.layers[-1].bias + shift
        return net

    return pax.pure(run)(net)


def change_in_block(net: Any, x: jax.Array, rng: random.Random) -> Any:
    with mutable(net) as net:
        net.record.step += 10
        time.sleep(0)
        net.record.sizes.clear()
    return net


def fail(net: Any, x: jax.Array, rng: random.Random) -> Any:
    def run(net: Any) -> None:
        net.record.step = -1
        time.sleep(0)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        pax.pure(run)(net)
    with pytest.raises(pax.PurityError):
        net.record.step = -1
    return net


def derive(net: Any, x: jax.Array, rng: random.Random) -> Any:
    """Goes through classes that are made once and then shared by all threads."""
    first = pax.freeze_parameters(net.layers[0].replace_method(__call__=halved))
    assert jax.tree.leaves(first.parameters()) == []
    np.testing.assert_array_equal(first(x), x / 2)
    assert pickle.loads(pickle.dumps(first)).weight.shape == (3, 3)
    frozen = pax.freeze_parameters(net)
    return pax.unfreeze_parameters(frozen, origin=net)


def share(net: Any, x: jax.Array, rng: random.Random) -> Any:
    with pytest.raises(pax.StructureError, match=r"`average` and `record`"):
        net.replace(record=net.average)
    return net.eval().train()


OPERATIONS: list[Operation] = [
    call, call_compiled, compile_anew, change, change_in_block, fail, derive, share,
]  # fmt: skip
#: Compilations and eager calls are slow; the others are what races.
WEIGHTS = [2, 3, 1, 6, 6, 6, 6, 6]


def program(seed: int, classes: tuple[Any, Any]) -> list[Any]:
    """Runs a random program; returns all that can be seen of it, and of the keys it drew."""
    rng = random.Random(seed)
    pax.seed_rng_key(seed)
    net = classes[0](seed)
    x = jnp.asarray(np.random.default_rng(seed).normal(size=(2, 3)).astype(np.float32))
    net = call(net, x, rng)
    for operation in rng.choices(OPERATIONS, WEIGHTS, k=6):
        net = operation(net, x, rng)
    names = [m.name for m in net.layers if isinstance(m, pax.Module)]
    state = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(net)]
    key = np.asarray(pax.next_rng_key()).tobytes()
    return [names, net.record.step, net.record.sizes, str(jax.tree.structure(net)), state, key]


@pytest.fixture
def hasty() -> Iterator[None]:
    """Lets threads take turns as often as Python can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("seconds", [1.5, pytest.param(10.0, marks=pytest.mark.slow)])
def test_sixteen_threads_do_not_disturb_each_other(seconds: float) -> None:
    programs = 1 if seconds < 5 else 8  # of each thread, one after the other and again
    seeds = [[THREADS * k + i for k in range(programs)] for i in range(THREADS)]
    together = fresh_classes()
    ready = threading.Barrier(THREADS)

    def work(mine: list[int]) -> dict[int, list[Any]]:
        found: dict[int, list[Any]] = {}
        rounds = 0
        ready.wait(30)
        until = time.monotonic() + seconds
        while time.monotonic() < until or rounds < len(mine):
            seed = mine[rounds % len(mine)]
            seen = program(seed, together)
            assert found.setdefault(seed, seen) == seen, f"program {seed}, round {rounds}"
            rounds += 1
        return found

    with ThreadPoolExecutor(THREADS) as pool:
        results = [future.result() for future in [pool.submit(work, mine) for mine in seeds]]

    alone = fresh_classes()
    for mine, found in zip(seeds, results, strict=True):
        for seed in mine:
            assert found[seed] == program(seed, alone), f"program {seed}"


@pytest.mark.usefixtures("hasty")
def test_the_first_use_of_a_class_by_many_threads() -> None:
    """Its preparation is complete before any instance, and a derived class is made once."""
    weights, ready = jnp.arange(3.0), threading.Barrier(THREADS)

    @dataclass
    class Slow(pax.Module):
        weight: Any

        def __init_subclass__(cls) -> None:
            time.sleep(0.01)  # a class takes long to make: the other threads ask for it meanwhile

    def use() -> tuple[type, type, bool]:
        ready.wait(30)
        slow = Slow(weights)
        derived = slow.replace_method(halved=halved)
        return type(derived), type(pax.freeze_parameters(derived)), slow == slow.copy()

    with ThreadPoolExecutor(THREADS) as pool:
        found = [pool.submit(use) for _ in range(THREADS)]
        assert {future.result() for future in found} == {found[0].result()}
    assert found[0].result()[2]
