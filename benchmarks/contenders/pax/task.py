"""Training and evaluation of a pax module."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import pax
from benchmarks.batches import batch
from benchmarks.sizes import LEARNING_RATE, WEIGHT_DECAY, Sizes

ADAMW = optax.adamw(LEARNING_RATE, weight_decay=WEIGHT_DECAY)


def loss_fn(model: pax.Module, x: Array, target: Array) -> tuple[Array, tuple[Array, pax.Module]]:
    model, y = pax.purecall(model, x)
    loss = jnp.mean((y - target) ** 2)
    return loss, (loss, model)


train = jax.jit(pax.build_update_fn(loss_fn), donate_argnums=(0, 1))


@jax.jit
def predict(model: pax.Module, x: Array) -> Array:
    return model.eval()(x)


class Task:
    """A model with its data; `construct` makes it."""

    model: pax.Module
    optimizer: pax.optim.Optimizer

    def __init__(self, build: Callable[[Any], pax.Module], sizes: Sizes) -> None:
        self.build, self.sizes = build, sizes
        self.x, self.target = jax.device_put(batch(sizes))

    def draw(self) -> None:
        self.model = self.build(self.sizes)
        jax.block_until_ready(self.model)

    def abstract(self) -> pax.Module:
        return jax.eval_shape(functools.partial(self.build, self.sizes), jax.random.key(0))

    def construct(self) -> None:
        self.draw()
        self.optimizer = pax.optim.Optimizer(ADAMW, self.model)
        jax.block_until_ready(self.optimizer)

    def step(self) -> float:
        self.model, self.optimizer, loss = train(self.model, self.optimizer, self.x, self.target)
        return float(loss)

    def evaluate(self) -> None:
        predict(self.model, self.x).block_until_ready()

    def outputs(self) -> np.ndarray:
        return np.asarray(predict(self.model, self.x))

    def lowered(self) -> jax.stages.Lowered:
        return train.lower(self.model, self.optimizer, self.x, self.target)
