"""A lazy module: its layers take their sizes from the first input.

Nobody works out here how many features leave the convolutions. The same class reads images of
28 x 28 pixels and of 14 x 14.
"""

from __future__ import annotations

import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from typing import Any

import jax
import numpy as np
import optax
from rich.progress import track

import pax
from examples.images import Images, load_data


class LazyNetwork(pax.experimental.LazyModule):
    """Two convolutions, each of which halves the image, and a dense layer."""

    def __call__(self, pixels: np.ndarray | jax.Array) -> jax.Array:
        """Returns the logits of the ten classes, [B, 10], of images [B, side, side]."""
        conv1 = self.get_or_create("conv1", lambda: pax.Conv2D(1, 32, 5, stride=2))
        conv2 = self.get_or_create("conv2", lambda: pax.Conv2D(32, 64, 5, stride=2))
        x = jax.nn.relu(conv2(jax.nn.relu(conv1(pixels[..., None]))))
        x = x.reshape(len(x), -1)
        output = self.get_or_create("output", lambda: pax.Linear(x.shape[-1], 10))
        return output(x)


def loss_fn(model: LazyNetwork, pixels: jax.Array, labels: jax.Array) -> tuple[jax.Array, Any]:
    """Returns the loss, and with it the model."""
    model, logits = pax.purecall(model, pixels)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return loss, (loss, model)


update = jax.jit(pax.build_update_fn(loss_fn))


def run(train_set: Images, test_set: Images, options: Any) -> None:
    """Makes a network for these images, trains it, and prints what it is and reaches."""
    model = LazyNetwork()
    print(f"new: {model.summary()}")
    # The first call makes the layers, in a copy: keep what comes back. It needs one image only,
    # and is not compiled: within `jax.jit` the new weights would be constants of the program.
    model, _ = pax.purecall(model, train_set[0][:1])
    print(f"after the first call: {model.summary()}")
    # Only now there are parameters to make an optimizer for.
    optimizer = pax.optim.Optimizer(optax.adam(1e-3), model)
    numbers = np.random.default_rng(options.seed)
    for _ in track(range(options.steps), transient=True, disable=not sys.stdout.isatty()):
        drawn = numbers.integers(len(train_set[1]), size=64)
        model, optimizer, _ = update(model, optimizer, train_set[0][drawn], train_set[1][drawn])
    accuracy = (model(test_set[0]).argmax(axis=1) == test_set[1]).mean()
    print(f"test accuracy after {options.steps} steps: {accuracy:.1%}")


def main() -> None:
    """Runs the same class on images of two sizes."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=600, help="steps of training")
    parser.add_argument("--seed", type=int, default=0, help="decides all that is random")
    options = parser.parse_args()
    train_set, test_set = load_data("mnist")
    try:
        LazyNetwork()(train_set[0][:1])
    except pax.PurityError as error:  # an update that would be lost is never silent
        print(f"A first call outside `pax.pure` is an error:\n{error}\n")
    for every in 1, 2:
        pax.seed_rng_key(options.seed)
        print(f"Images of {28 // every} x {28 // every} pixels")
        smaller, smaller_test = (
            (pixels[:, ::every, ::every], labels) for pixels, labels in (train_set, test_set)
        )
        run(smaller, smaller_test, options)


if __name__ == "__main__":
    pax.use_compilation_cache()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
