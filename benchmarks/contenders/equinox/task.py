"""Training and evaluation of an equinox module.

The step is that of equinox's examples: `filter_jit`, `filter_value_and_grad`, `apply_updates`, and
nothing donated. A module takes one example and is mapped over the batch; what keeps state (batch
norm) takes it and gives it back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from benchmarks.batches import batch
from benchmarks.sizes import LEARNING_RATE, WEIGHT_DECAY, Sizes

ADAMW = optax.adamw(LEARNING_RATE, weight_decay=WEIGHT_DECAY)


def forward(model: eqx.Module, state: Any, x: Array) -> tuple[Array, Any]:
    if state is None:
        return jax.vmap(model)(x), None
    over_batch = jax.vmap(model, axis_name="batch", in_axes=(0, None), out_axes=(0, None))
    return over_batch(x, state)


def loss_fn(model: eqx.Module, state: Any, x: Array, target: Array) -> tuple[Array, Any]:
    y, state = forward(model, state, x)
    return jnp.mean((y - target) ** 2), state


@eqx.filter_jit
def train(
    model: eqx.Module, state: Any, moments: Any, x: Array, target: Array
) -> tuple[eqx.Module, Any, Any, Array]:
    grad_fn = eqx.filter_value_and_grad(loss_fn, has_aux=True)
    (loss, state), grads = grad_fn(model, state, x, target)
    updates, moments = ADAMW.update(grads, moments, eqx.filter(model, eqx.is_array))
    return eqx.apply_updates(model, updates), state, moments, loss


@eqx.filter_jit
def predict(model: eqx.Module, state: Any, x: Array) -> Array:
    return forward(eqx.nn.inference_mode(model), state, x)[0]


class Task:
    """A model with its data; `construct` makes it."""

    model: eqx.Module
    state: Any
    moments: Any

    def __init__(self, build: Callable[..., eqx.Module], sizes: Sizes) -> None:
        self.build, self.sizes = build, sizes
        self.x, self.target = jax.device_put(batch(sizes))

    def draw(self) -> None:
        key = jax.random.key(0)
        if getattr(self.build, "has_state", False):
            self.model, self.state = eqx.nn.make_with_state(self.build)(self.sizes, key)
        else:
            self.model, self.state = self.build(self.sizes, key), None
        jax.block_until_ready(eqx.filter((self.model, self.state), eqx.is_array))

    def abstract(self) -> Any:
        return eqx.filter_eval_shape(self.build, self.sizes, jax.random.key(0))

    def construct(self) -> None:
        self.draw()
        self.moments = ADAMW.init(eqx.filter(self.model, eqx.is_array))
        jax.block_until_ready(self.moments)

    def step(self) -> float:
        self.model, self.state, self.moments, loss = train(*self._arguments())
        return float(loss)

    def evaluate(self) -> None:
        predict(self.model, self.state, self.x).block_until_ready()

    def outputs(self) -> np.ndarray:
        return np.asarray(predict(self.model, self.state, self.x))

    def lowered(self) -> jax.stages.Lowered:
        return train.lower(*self._arguments()).lowered

    def _arguments(self) -> tuple[Any, ...]:
        return self.model, self.state, self.moments, self.x, self.target
