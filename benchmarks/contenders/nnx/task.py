"""Training and evaluation of an nnx module.

The functions are those of flax's examples, `nnx.jit` and `nnx.Optimizer`, called through
`nnx.cached_partial`, which flax recommends in a loop: it goes through the modules once, not at each
call. Nothing is donated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array

from benchmarks.batches import batch
from benchmarks.sizes import LEARNING_RATE, WEIGHT_DECAY, Sizes

ADAMW = optax.adamw(LEARNING_RATE, weight_decay=WEIGHT_DECAY)


def loss_fn(model: nnx.Module, x: Array, target: Array) -> Array:
    return jnp.mean((model(x) - target) ** 2)


@nnx.jit
def train(model: nnx.Module, optimizer: nnx.Optimizer, x: Array, target: Array) -> Array:
    loss, grads = nnx.value_and_grad(loss_fn)(model, x, target)
    optimizer.update(model, grads)
    return loss


@nnx.jit
def predict(model: nnx.Module, x: Array) -> Array:
    return model(x)


class Task:
    """A model with its data; `construct` makes it."""

    model: nnx.Module
    optimizer: nnx.Optimizer

    def __init__(self, build: Callable[..., nnx.Module], sizes: Sizes) -> None:
        self.build, self.sizes = build, sizes
        self.x, self.target = jax.device_put(batch(sizes))

    def draw(self) -> None:
        self.model = self.build(self.sizes, nnx.Rngs(0))
        jax.block_until_ready(nnx.state(self.model))

    def abstract(self) -> nnx.Module:
        return nnx.eval_shape(lambda: self.build(self.sizes, nnx.Rngs(0)))

    def construct(self) -> None:
        self.draw()
        self.optimizer = nnx.Optimizer(self.model, ADAMW, wrt=nnx.Param)
        evaluated = nnx.view(self.model, raise_if_not_found=False, use_running_average=True)
        self._train = nnx.cached_partial(train, self.model, self.optimizer)
        self._predict = nnx.cached_partial(predict, evaluated)
        jax.block_until_ready(nnx.state(self.optimizer))

    def step(self) -> float:
        return float(self._train(self.x, self.target))

    def evaluate(self) -> None:
        self._predict(self.x).block_until_ready()

    def outputs(self) -> np.ndarray:
        return np.asarray(self._predict(self.x))

    def lowered(self) -> jax.stages.Lowered:
        arguments: Any = self.model, self.optimizer, self.x, self.target
        return train.lower(*arguments).lowered
