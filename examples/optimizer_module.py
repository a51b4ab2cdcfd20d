"""Optimizers are modules: Adam written by hand, beside the one that wraps optax.

An optimizer is a `StateModule` made from parameters and called as `optimizer(grads, params=params)`
in `pax.pure`. It returns updates; the new parameters are `params - updates`. `pax.build_update_fn`
takes both kinds, and both train the same network to the same weights.
"""

from __future__ import annotations

import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import pax
from examples.images import load_data


class Adam(pax.StateModule):
    """Adam (Kingma and Ba, 2014): steps by the mean gradient over its root mean square.

    The moments are modules of the class of the parameters; their arrays are state of this one.
    """

    def __init__(self, params: pax.Module, rate: float, b1: float = 0.9, b2: float = 0.999) -> None:
        super().__init__()
        self.rate, self.b1, self.b2 = rate, b1, b2
        self.mean = params.map(jnp.zeros_like)
        self.square = params.map(jnp.zeros_like)
        self.count = jnp.array(0)

    def __call__(self, grads: pax.Module, params: pax.Module | None = None) -> pax.Module:
        """Returns what to subtract from the parameters, and changes its state."""
        self.count = self.count + 1
        self.mean = self.mean.map(lambda m, g: self.b1 * m + (1 - self.b1) * g, grads)
        self.square = self.square.map(lambda s, g: self.b2 * s + (1 - self.b2) * g**2, grads)
        scale1, scale2 = 1 - self.b1**self.count, 1 - self.b2**self.count  # both started at zero

        def step(m: jax.Array, s: jax.Array) -> jax.Array:
            return self.rate * (m / scale1) / (jnp.sqrt(s / scale2) + 1e-8)

        return self.mean.map(step, self.square)


def loss_fn(model: pax.Sequential, batch: tuple[Any, Any]) -> tuple[jax.Array, Any]:
    """Returns the loss, and with it the model."""
    pixels, labels = batch
    model, logits = pax.purecall(model, pixels)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return loss, (loss, model)


@jax.jit
def train(model: Any, optimizer: Any, batches: Any) -> tuple[Any, Any, jax.Array]:
    """Takes one step for each batch, all in one compiled program; returns the losses too."""
    update = pax.build_update_fn(loss_fn, scan_mode=True)
    (model, optimizer), losses = pax.scan(update, (model, optimizer), batches)
    return model, optimizer, losses


def main() -> None:
    """Trains one network with both optimizers."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=600, help="steps of training")
    parser.add_argument("--seed", type=int, default=0, help="decides all that is random")
    options = parser.parse_args()
    (pixels, labels), (test_pixels, test_labels) = load_data("mnist")
    pixels, test_pixels = (x.reshape(len(x), -1) for x in (pixels, test_pixels))
    pax.seed_rng_key(options.seed)
    start = pax.Sequential(pax.Linear(784, 100), jax.nn.relu, pax.Linear(100, 10))
    drawn = np.random.default_rng(options.seed).integers(len(labels), size=(options.steps, 64))
    batches = pixels[drawn], labels[drawn]

    optimizers = {
        "by hand": Adam(start.parameters(), 1e-3),
        "of optax": pax.optim.Optimizer(optax.adam(1e-3), start),
    }
    trained = {}
    for name, optimizer in optimizers.items():
        model, optimizer, losses = train(start, optimizer, batches)
        accuracy = (model(test_pixels).argmax(axis=1) == test_labels).mean()
        arrays = len(jax.tree.leaves(optimizer))
        print(
            f"Adam {name}: loss {losses[0]:.4f} to {losses[-1]:.4f}, test accuracy "
            f"{accuracy:.1%}; its state is {arrays} arrays"
        )
        trained[name] = model
    apart = trained["by hand"].map(lambda a, b: jnp.abs(a - b).max(), trained["of optax"])
    moved = start.map(lambda a, b: jnp.abs(a - b).max(), trained["of optax"])
    print(
        f"largest difference of a weight: {max(jax.tree.leaves(apart)):.1e}, "
        f"largest way of a weight: {max(jax.tree.leaves(moved)):.1e}"
    )


if __name__ == "__main__":
    pax.use_compilation_cache()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
