"""What a case is: programs, the contenders that run them, and what one measurement gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contenders import CONTENDERS

#: What one measurement gives: figures under the names of the case's metrics.
Figures = dict[str, float]


@dataclass(frozen=True)
class Program:
    """One row of a case: a name that says the size, what `prepare` gets, who runs it, and where."""

    name: str
    sizes: Mapping[str, Any] = field(default_factory=dict)
    contenders: tuple[str, ...] = CONTENDERS
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """What a process is told: whose program, how large, when its start was asked for, the cache."""

    contender: str
    sizes: Mapping[str, Any]
    started: float  # `time.monotonic()` of the parent, the same clock in all processes
    cache: str  # folder of compiled programs, where the case has several starts; else ""


@dataclass(frozen=True)
class Case:
    """A question, with all that the runner has to know of it.

    Attributes:
        title: what is measured and how, in a line.
        metrics: names of the figures, with their unit: "step us". All are better when lower.
        programs: the rows; a quick run gets small ones.
        prepare: called in the contender's process, once; returns what takes one measurement.
        starts: empty: one process lives through all rounds, and the contenders take turns.
            Else every measurement has a process of its own, and a round is one such process a
            name, one after the other over one compilation cache that was empty before the first;
            the name is put before those of the figures: "cold total s".
        rounds: how many measurements each contender gets, and how many in a quick run.
        yardstick: the contender that the others are divided by.
    """

    title: str
    metrics: tuple[str, ...]
    programs: Callable[[bool], Sequence[Program]]
    prepare: Callable[[Run], Callable[[], Figures]]
    starts: tuple[str, ...] = ()
    rounds: tuple[int, int] = (9, 2)
    yardstick: str = "jax"
