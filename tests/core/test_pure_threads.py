"""Permission and random streams belong to one thread, whatever the others do."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import pax
from pax.experimental import mutable
from tests.core.samples import Box, Counter, Dense, normal


def test_another_thread_may_not_change_the_module() -> None:
    def run(box: Box) -> Box:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(setattr, box, "x", 2)
        with pytest.raises(pax.PurityError, match="from another thread"):
            future.result()
        box.x = 3
        return box

    assert pax.pure(run)(Box(x=1)).x == 3


def test_permission_survives_other_threads_entering_and_leaving() -> None:
    entered, leave = threading.Event(), threading.Event()

    def other(box: Box) -> Box:
        box.x = "other"
        entered.set()
        assert leave.wait(10)
        box.y = "still"
        return box

    def run(box: Box) -> Box:
        with ThreadPoolExecutor(2) as pool:
            inside = pool.submit(pax.pure(other), Box(x=0))
            assert entered.wait(10)
            box.x = 1  # while another thread is inside pure
            box.made = Box(x=0)
            box.made.x = 4  # a module made here is no business of the other thread
            assert pool.submit(pax.pure(lambda b: b), Box(x=5)).result().x == 5
            box.y = 2  # after another thread has come and gone
            leave.set()
            assert (inside.result().x, inside.result().y) == ("other", "still")
        box.z = 3
        return box

    changed = pax.pure(run)(Box(x=0))
    assert (changed.x, changed.y, changed.z, changed.made.x) == (1, 2, 3, 4)


def test_a_thread_outside_pure_is_outside_whatever_the_others_do() -> None:
    def run(box: Box) -> None:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(setattr, other, "x", 2)
        with pytest.raises(pax.PurityError, match=r"was tried outside `pax\.pure`"):
            future.result()

    other = Box(x=1)
    pax.pure(run)(Box())


def test_a_sealed_module_is_read_by_many_threads() -> None:
    net, x = Dense(3, 2), normal(4, 3)
    expected = net(x)
    with ThreadPoolExecutor(4) as pool:
        for y in pool.map(lambda _: net(x), range(40)):
            assert (y == expected).all()


def work(seed: int, until: float) -> int:
    """Builds, changes, nests and fails modules; returns how often."""
    rng, rounds = random.Random(seed), 0
    x = normal(2, seed=seed)
    while time.monotonic() < until:
        rounds += 1
        box = Box(n=0, parts=[Counter(), max, Box(n=seed)], own=x + rounds)
        steps = rng.randrange(1, 5)

        def run(box: Box, steps: int = steps) -> Box:
            for i in range(steps):
                box.n = box.n + 1
                box.parts[0](x)
                box.parts.append(Box(n=i))
                time.sleep(0)
            box.made = Box(n=1)
            box.made.n = 2
            if rng.random() < 0.2:
                raise KeyError(seed)
            return box

        try:
            changed = pax.pure(run)(box)
        except KeyError as error:
            assert error.args == (seed,)
            continue
        assert (changed.n, changed.made.n) == (steps, 2)
        assert int(changed.parts[0].count) == steps
        assert [b.n for b in changed.parts[3:]] == list(range(steps))
        assert (box.n, len(box.parts)) == (0, 3)
        with mutable(changed) as again:
            again.parts[2].n = -1
        assert (again.parts[2].n, changed.parts[2].n) == (-1, seed)
        for module in (box, changed, again, changed.made):
            with pytest.raises(pax.PurityError):
                module.n = 0
        assert jax.tree.structure(changed.copy()) == jax.tree.structure(changed)
    return rounds


def test_eight_threads_at_once() -> None:
    until = time.monotonic() + 2.0
    with ThreadPoolExecutor(8) as pool:
        rounds = [f.result() for f in [pool.submit(work, i, until) for i in range(8)]]
    assert min(rounds) > 0


def test_constructors_on_many_threads_are_all_checked() -> None:
    shared = normal(2)
    ready = threading.Barrier(4)

    class Slow(pax.Module):
        def __init__(self, bad: bool) -> None:
            super().__init__()
            ready.wait(10)
            self.parts = [Box(x=shared), Box(x=shared if bad else jnp.array(shared))]
            ready.wait(10)

    def build(bad: bool) -> Any:
        try:
            return Slow(bad)
        except pax.StructureError:
            return "refused"

    with ThreadPoolExecutor(4) as pool:
        out = list(pool.map(build, [True, False, True, False]))
    assert [x == "refused" for x in out] == [True, False, True, False]


def test_every_thread_has_a_stream_of_its_own() -> None:
    def draw(seed: int | None) -> list[list[int]]:
        if seed is not None:
            pax.seed_rng_key(seed)
        keys = []
        for _ in range(3):
            keys.append(pax.next_rng_key().tolist())
            time.sleep(0.01)
        return keys

    mine = draw(7)
    pax.seed_rng_key(7)
    out: dict[str, Any] = {}
    threads = [
        threading.Thread(target=lambda name=name, s=s: out.update({name: draw(s)}))
        for name, s in (("seven", 7), ("eight", 8), ("none", None))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pax_default = draw(42)
    assert out["seven"] == mine
    assert out["none"] == pax_default
    assert out["eight"] not in (mine, pax_default)
