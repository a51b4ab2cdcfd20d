"""A model of pax costs no more than the same arithmetic over nested dicts: counts and bytes."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import jax
import pytest

from benchmarks import contenders
from tests.counting import count_compilations

#: Small sizes; what takes seconds to compile runs with the slow tests.
MODELS: dict[str, dict[str, Any]] = {
    "dense": {"depth": 6},
    "mlp": {"batch": 16, "inputs": 32, "width": 64},
    "cnn": {"batch": 8, "image": 12, "channels": (4, 8), "hidden": 16},
    "transformer": {"batch": 4, "time": 16, "layers": 1, "width": 32, "heads": 2},
    "resnet": {"batch": 8, "image": 8, "blocks_per_group": (1, 1, 1)},
}
SLOW = ("mlp", "resnet")


@dataclasses.dataclass
class Program:
    """What the compiled training step of one model is, and takes."""

    arrays: int
    parameters: int
    temporary_bytes: int
    reused_bytes: int


@contextlib.contextmanager
def as_users_run_it() -> Iterator[None]:
    """The hand-written programs promote dtypes and ranks as JAX does by default."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@functools.cache
def program(contender: str, model: str) -> Program:
    task: Any = contenders.make(contender, model, **MODELS[model])
    with as_users_run_it():
        task.construct()
        lowered = task.lowered()
        compiled = lowered.compile()
    memory = compiled.memory_analysis()
    text = compiled.as_text()
    return Program(
        arrays=len(jax.tree.leaves(lowered.args_info)),
        parameters=text[text.index("\nENTRY ") :].count(" parameter("),
        temporary_bytes=memory.temp_size_in_bytes,
        reused_bytes=memory.alias_size_in_bytes,
    )


def models() -> list[Any]:
    marks = {name: [pytest.mark.slow] if name in SLOW else [] for name in MODELS}
    return [pytest.param(name, marks=marks[name]) for name in MODELS]


@pytest.mark.parametrize("model", models())
def test_temporary_bytes(model: str) -> None:
    ours, by_hand = (program(c, model).temporary_bytes for c in ("pax", "jax"))
    assert ours <= 1.01 * by_hand


@pytest.mark.parametrize("model", models())
def test_arrays_read_and_written_over(model: str) -> None:
    ours, by_hand = program("pax", model), program("jax", model)
    assert ours.parameters == ours.arrays  # none is passed that the step does not read
    assert by_hand.reused_bytes <= ours.reused_bytes  # averages count their steps: some more


def test_ten_steps_compile_one_program() -> None:
    task: Any = contenders.make("pax", "mlp", batch=3, inputs=5, width=7)
    with as_users_run_it():
        task.construct()
        with count_compilations() as compilations:
            for _ in range(10):
                task.step()
    assert compilations.count == 1
