"""Training on one flat list of arrays: the least that a state of so many arrays can cost."""

from __future__ import annotations

from typing import Any

import jax
from jax import Array

from benchmarks.contenders.jax.task import Task


class Flat(Task):
    """The same training step, whose state is put together inside, from a list."""

    def construct(self) -> None:
        super().construct()
        self.leaves, treedef = jax.tree.flatten((self.params, self.state, self.moments))

        def train(leaves: list[Array], x: Array, target: Array) -> tuple[list[Array], Array]:
            *new, loss = self._train(*jax.tree.unflatten(treedef, leaves), x, target)
            return jax.tree.leaves(new), loss

        self._train_flat = jax.jit(train, donate_argnums=0)

    def step(self) -> float:
        self.leaves, loss = self._train_flat(self.leaves, self.x, self.target)
        return float(loss)

    def lowered(self) -> Any:
        return self._train_flat.lower(self.leaves, self.x, self.target)
