"""The one interface behind which every contender puts its programs."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class Absent(Exception):
    """Raised by a contender that has no such program; the message says why, in a few words."""


class Task(Protocol):
    """One model of one contender, written as the documentation of that library recommends.

    A contender's `make(model, **sizes)` returns it and builds nothing yet.
    """

    def draw(self) -> None:
        """Draws the parameters and waits until they are there."""

    def abstract(self) -> object:
        """Returns the parameters' shapes alone, the way the library does that."""

    def construct(self) -> None:
        """Draws the parameters, makes the optimizer state, and waits for both."""

    def step(self) -> float | None:
        """Takes one whole training step, keeps the new state, and waits for it."""

    def evaluate(self) -> None:
        """Makes one forward pass in evaluation mode and waits for its result."""

    def lowered(self) -> Any:
        """Traces the training step into a new `jax.stages.Lowered`; None where there is none."""

    def outputs(self) -> np.ndarray:
        """Returns what `evaluate` computes, to show that all contenders compute the same."""
        ...
