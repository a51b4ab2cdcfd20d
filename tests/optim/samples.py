"""A network with state of every kind, and what the tests of optimizers train it with."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

import pax
from tests.core.samples import normal


class Net(pax.Module):
    """A frozen layer, a list with a function in it, an average and a random key."""

    def __init__(self) -> None:
        super().__init__()
        self.first = pax.freeze_parameters(pax.Linear(3, 4))
        self.layers = [jnp.tanh, pax.Linear(4, 2)]
        self.average = pax.EMA(jnp.zeros(2), 0.9)
        self.dropout = pax.Dropout(0.2)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.first(x)
        for layer in self.layers:
            x = layer(x)
        self.average(x.mean(axis=0))
        return self.dropout(x)


def data(*shape: int, seed: int = 0) -> tuple[jax.Array, jax.Array]:
    """Returns random inputs [..., 3] and outputs [..., 2]."""
    return normal(*shape, 3, seed=seed), normal(*shape, 2, seed=seed + 1)


def loss_fn(model: Any, x: jax.Array, y: jax.Array) -> Any:
    model, predicted = pax.purecall(model, x)
    loss = jnp.mean((predicted - y) ** 2)
    return loss, ({"loss": loss}, model)


#: An optimizer and a step that tests share, so that each model is compiled for once.
ADAM = optax.adam(0.01)
STEP = pax.build_train_step(loss_fn)
