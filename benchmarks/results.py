"""The figures of a run, with medians and ratios of them; kept as JSON."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.case import Figures


@dataclass
class Outcome:
    """What one contender gave for one program: figures of each round, and what ended it early."""

    rounds: list[Figures] = field(default_factory=list)
    problem: str = ""


class Spread(NamedTuple):
    """A median with the least and the greatest of its rounds."""

    median: float
    least: float
    most: float


@dataclass
class Results:
    """Outcomes by case, program and contender."""

    outcomes: dict[str, dict[str, dict[str, Outcome]]] = field(default_factory=dict)

    def rounds(self, case: str, program: str, contender: str, metric: str) -> list[float]:
        """Returns a figure of every round; none for what failed or was not measured."""
        outcome = self.outcomes.get(case, {}).get(program, {}).get(contender, Outcome())
        if outcome.problem:
            return []
        return [figures[metric] for figures in outcome.rounds if metric in figures]

    def spread(self, case: str, program: str, contender: str, metric: str) -> Spread | None:
        """Returns the median and range of a figure; None where there is none."""
        return _spread(self.rounds(case, program, contender, metric))

    def ratio(
        self, case: str, program: str, contender: str, metric: str, yardstick: str
    ) -> Spread | None:
        """Returns a figure over the yardstick's of the same round; None where either is missing.

        Rounds are paired because what slows a machine down for a while slows both.
        """
        ours = self.rounds(case, program, contender, metric)
        theirs = self.rounds(case, program, yardstick, metric)
        return _spread([a / b for a, b in zip(ours, theirs, strict=False) if b])

    def to_json(self) -> dict[str, Any]:
        """Returns all raw figures as plain dicts."""
        return dataclasses.asdict(self)["outcomes"]

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Results:
        """Returns the results that `to_json` wrote down."""
        return cls(
            {
                case: {
                    program: {name: Outcome(**outcome) for name, outcome in row.items()}
                    for program, row in programs.items()
                }
                for case, programs in plain.items()
            }
        )


def _spread(figures: Iterable[float]) -> Spread | None:
    figures = list(figures)
    return Spread(statistics.median(figures), min(figures), max(figures)) if figures else None
