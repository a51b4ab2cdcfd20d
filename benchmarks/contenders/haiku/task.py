"""Training and evaluation of a function of haiku modules.

It is transformed and compiled by `jax.jit`, its `init` too, as in haiku's own examples of larger
models. Nothing is donated.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from benchmarks.batches import batch
from benchmarks.sizes import LEARNING_RATE, WEIGHT_DECAY, Sizes

ADAMW = optax.adamw(LEARNING_RATE, weight_decay=WEIGHT_DECAY)

#: A model: of sizes, input, and whether it trains.
Forward = Callable[[Any, Array, bool], Array]


class Task:
    """A model with its data; `construct` draws its parameters."""

    params: hk.Params
    state: hk.State
    moments: Any

    def __init__(self, forward: Forward, sizes: Sizes) -> None:
        self.x, self.target = jax.device_put(batch(sizes))
        network = hk.without_apply_rng(hk.transform_with_state(functools.partial(forward, sizes)))
        self._init = jax.jit(network.init, static_argnums=2)
        self._predict = jax.jit(lambda *args: network.apply(*args, False)[0])

        def loss_fn(params: Any, state: Any, x: Array, target: Array) -> tuple[Array, Any]:
            y, state = network.apply(params, state, x, True)
            return jnp.mean((y - target) ** 2), state

        @jax.jit
        def train(params: Any, state: Any, moments: Any, x: Array, target: Array) -> Any:
            grad_fn = jax.value_and_grad(loss_fn, has_aux=True)
            (loss, state), grads = grad_fn(params, state, x, target)
            updates, moments = ADAMW.update(grads, moments, params)
            return optax.apply_updates(params, updates), state, moments, loss

        self._train = train

    def draw(self) -> None:
        self.params, self.state = self._init(jax.random.key(0), self.x, True)
        jax.block_until_ready((self.params, self.state))

    def abstract(self) -> Any:
        return jax.eval_shape(lambda: self._init(jax.random.key(0), self.x, True))

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
