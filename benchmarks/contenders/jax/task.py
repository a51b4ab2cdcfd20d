"""Training and evaluation of a model in hand-written JAX.

The training step donates its state, as JAX's documentation advises for buffers that are replaced.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from benchmarks.batches import batch
from benchmarks.contenders.jax.model import Model, Params, State, keys_from
from benchmarks.sizes import LEARNING_RATE, WEIGHT_DECAY, Sizes

ADAMW = optax.adamw(LEARNING_RATE, weight_decay=WEIGHT_DECAY)


class Task:
    """A model with its data; `construct` gives it parameters."""

    params: Params
    state: State
    moments: Any

    def __init__(self, model: Model, sizes: Sizes) -> None:
        self.model, self.sizes = model, sizes
        self.x, self.target = jax.device_put(batch(sizes))

        def loss_fn(params: Params, state: State, x: Array, target: Array) -> tuple[Array, State]:
            y, state = model.apply(sizes, params, state, x, True)
            return jnp.mean((y - target) ** 2), state

        def train(params: Params, state: State, moments: Any, x: Array, target: Array) -> Any:
            grad_fn = jax.value_and_grad(loss_fn, has_aux=True)
            (loss, state), grads = grad_fn(params, state, x, target)
            updates, moments = ADAMW.update(grads, moments, params)
            return optax.apply_updates(params, updates), state, moments, loss

        def predict(params: Params, state: State, x: Array) -> Array:
            return model.apply(sizes, params, state, x, False)[0]

        self._train = jax.jit(train, donate_argnums=(0, 1, 2))
        self._predict = jax.jit(predict)

    def draw(self) -> None:
        self.params, self.state = self.model.init(self.sizes, keys_from(seed=0))
        jax.block_until_ready((self.params, self.state))

    def abstract(self) -> Any:
        return jax.eval_shape(lambda: self.model.init(self.sizes, keys_from(seed=0)))

    def construct(self) -> None:
        self.draw()
        self.moments = ADAMW.init(self.params)
        jax.block_until_ready(self.moments)

    def step(self) -> float:
        self.params, self.state, self.moments, loss = self._train(*self._arguments())
        return float(loss)

    def evaluate(self) -> None:
        self._predict(self.params, self.state, self.x).block_until_ready()

    def outputs(self) -> np.ndarray:
        return np.asarray(self._predict(self.params, self.state, self.x))

    def lowered(self) -> jax.stages.Lowered:
        return self._train.lower(*self._arguments())

    def _arguments(self) -> tuple[Any, ...]:
        return self.params, self.state, self.moments, self.x, self.target
