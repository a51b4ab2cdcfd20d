"""Training with `pax.TrainState`, which is flat between steps."""

from __future__ import annotations

import jax
import numpy as np

import pax
from benchmarks.contenders.pax.task import ADAMW, Task, loss_fn

train = pax.build_train_step(loss_fn)


class Flat(Task):
    """A model in a training state; after a step it is taken out where it is needed."""

    is_behind = False

    def construct(self) -> None:
        self.draw()
        self.state = pax.TrainState(self.model, ADAMW)
        jax.block_until_ready(self.state)

    def step(self) -> float:
        self.state, loss = train(self.state, self.x, self.target)
        self.is_behind = True
        return float(loss)

    def evaluate(self) -> None:
        self._catch_up()
        super().evaluate()

    def outputs(self) -> np.ndarray:
        self._catch_up()
        return super().outputs()

    def lowered(self) -> jax.stages.Lowered:
        return train.lower(self.state, self.x, self.target)

    def _catch_up(self) -> None:
        if self.is_behind:
            self.model, self.is_behind = self.state.model, False
