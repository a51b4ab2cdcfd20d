"""Training with `pax.TrainState`, which is flat between steps."""

from __future__ import annotations

import jax

import pax
from benchmarks.contenders.pax.task import ADAMW, Task, loss_fn

train = pax.build_train_step(loss_fn)


class Flat(Task):
    """A model in a training state."""

    def construct(self) -> None:
        self.draw()
        self.state = pax.TrainState(self.model, ADAMW)
        jax.block_until_ready(self.state)

    def step(self) -> float:
        self.state, loss = train(self.state, self.x, self.target)
        return float(loss)

    def lowered(self) -> jax.stages.Lowered:
        return train.lower(self.state, self.x, self.target)
