"""Modules written as dataclasses: the fields are the arguments, no constructor is spelled out.

A field that holds an array or a module is a child, as any attribute of a module is; the others are
static. What a module makes itself, it makes in `__post_init__`.
"""

from __future__ import annotations

import dataclasses
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import optax
from rich.progress import track

import pax
from examples.images import load_data


@dataclass
class Standardize(pax.Module):
    """(x - mean) / std. Its arrays are no parameters: a plain `Module` has none of its own."""

    mean: jax.Array
    std: jax.Array

    def __call__(self, x: np.ndarray | jax.Array) -> np.ndarray | jax.Array:
        """Returns the standardized x."""
        return (x - self.mean) / self.std


@dataclass
class Classifier(pax.Module):
    """Dense layers of the given sizes, after a module that prepares the pixels."""

    prepare: Standardize
    sizes: tuple[int, ...]
    dropout_rate: float = 0.2

    def __post_init__(self) -> None:
        pairs = zip(self.sizes[:-1], self.sizes[1:], strict=True)
        self.layers = [pax.Linear(in_dim, out_dim) for in_dim, out_dim in pairs]
        self.dropout = pax.Dropout(self.dropout_rate)

    def __call__(self, pixels: np.ndarray | jax.Array) -> jax.Array:
        """Returns the logits, [B, sizes[-1]], of images [B, side, side]."""
        x = self.prepare(pixels).reshape(len(pixels), -1)
        for layer in self.layers[:-1]:
            x = self.dropout(jax.nn.relu(layer(x)))
        return self.layers[-1](x)


def loss_fn(model: Classifier, pixels: jax.Array, labels: jax.Array) -> tuple[jax.Array, Any]:
    """Returns the loss, and with it the changed model: its dropout has a new key."""
    model, logits = pax.purecall(model, pixels)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return loss, (loss, model)


def main() -> None:
    """Builds a model, looks at it, changes and trains it."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=600, help="steps of training")
    parser.add_argument("--seed", type=int, default=0, help="decides all that is random")
    options = parser.parse_args()
    (pixels, labels), test_set = load_data("mnist")

    pax.seed_rng_key(options.seed)
    prepare = Standardize(mean=pixels.mean(), std=pixels.std())
    model = Classifier(prepare, sizes=(784, 100, 10))
    print(f"children: {', '.join(model.pytree_attributes)}\n{model.summary()}")

    # Two ways to change a field. The first calls the constructor again: all weights are new ones.
    wider = dataclasses.replace(model, sizes=(784, 200, 10))
    print(f"dataclasses.replace: layers of {[layer.out_dim for layer in wider.layers]}")
    # The second keeps every array but the one replaced.
    shifted = model.replace(prepare=prepare.replace(mean=np.float32(0)))
    print(f"Module.replace keeps the weights: {shifted.layers[0].weight is model.layers[0].weight}")

    numbers = np.random.default_rng(options.seed)
    optimizer = pax.optim.Optimizer(optax.adam(1e-3), wider)
    update = jax.jit(pax.build_update_fn(loss_fn))
    for _ in track(range(options.steps), transient=True, disable=not sys.stdout.isatty()):
        drawn = numbers.integers(len(labels), size=64)
        wider, optimizer, _ = update(wider, optimizer, pixels[drawn], labels[drawn])
    accuracy = (wider.eval()(test_set[0]).argmax(axis=1) == test_set[1]).mean()
    print(f"test accuracy after {options.steps} steps: {accuracy:.1%}")


if __name__ == "__main__":
    pax.use_compilation_cache()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
