"""Training and evaluation of an nnx module.

The functions are those of flax's examples, with `nnx.Optimizer`, compiled by `nnx.jit_partial`:
it takes the modules apart once, not at each call. Of the ways that flax documents it is the fastest
one: at 100 dense layers a step by `nnx.cached_partial` takes about twice its time, and by plain
`nnx.jit` some 30 times. Nothing is donated.
"""

from __future__ import annotations

from collections.abc import Callable

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


def train(model: nnx.Module, optimizer: nnx.Optimizer, x: Array, target: Array) -> Array:
    loss, grads = nnx.value_and_grad(loss_fn)(model, x, target)
    optimizer.update(model, grads)
    return loss


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
        self._train = nnx.jit_partial(train, self.model, self.optimizer, graph=False)
        self._predict = nnx.jit_partial(predict, evaluated, graph=False)
        jax.block_until_ready(nnx.state(self.optimizer))

    def step(self) -> float:
        return float(self._train(self.x, self.target))

    def evaluate(self) -> None:
        self._predict(self.x).block_until_ready()

    def outputs(self) -> np.ndarray:
        return np.asarray(self._predict(self.x))

    def lowered(self) -> jax.stages.Lowered:
        return self._train.lower(self.x, self.target).lowered
