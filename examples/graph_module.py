"""A network written as a graph: how values flow, tried on an example as it is written.

`node >> f` applies a module or a function at once, so a shape can be looked at, and a mistake shows
in the line that makes it. `a & b` is one argument that is a tuple, `a | b` is two arguments.
"""

from __future__ import annotations

import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.progress import track

import pax
from examples.images import load_data
from pax.experimental.graph import GraphModule, InputNode, Node


def halve(x: jax.Array) -> jax.Array:
    """Returns the maxima of 2 x 2 pixels."""
    return pax.max_pool(x, 2, 2, "SAME")


def flatten(x: jax.Array) -> jax.Array:
    """Returns the features of each image in a row, [B, D]."""
    return x.reshape(len(x), -1)


def residual(x: Node) -> Node:
    """Adds to a node what a convolution makes of it; arithmetic works as on arrays."""
    channels = x.shape[-1]
    return x + (x >> pax.Conv2D(channels, channels, 3) >> pax.BatchNorm2D(channels) >> jax.nn.relu)


def build(example: np.ndarray) -> GraphModule:
    """Returns a network that sees an image in two ways: close by, and as a whole."""
    image = InputNode(example)
    pixels = image >> (lambda x: x[..., None])
    close = pixels >> pax.Conv2D(1, 32, 5, stride=2) >> pax.BatchNorm2D(32) >> jax.nn.relu
    close = residual(residual(close) >> halve) >> flatten
    print(f"close by: {close.shape[1]} features, from {close}")
    whole = image >> flatten >> pax.Linear(image.shape[1] * image.shape[2], 64) >> jax.nn.relu
    print(f"as a whole: {whole.shape[1]} features, from {whole}")
    features = (close & whole) >> jnp.hstack  # one argument, a tuple of two
    return GraphModule([image], features >> pax.Linear(features.shape[1], 10))


def loss_fn(model: GraphModule, pixels: jax.Array, labels: jax.Array) -> tuple[jax.Array, Any]:
    """Returns the loss, and with it the changed model: its averages are new."""
    model, logits = pax.purecall(model, pixels)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return loss, (loss, model)


def main() -> None:
    """Builds a network, looks at it, trains it."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=600, help="steps of training")
    parser.add_argument("--seed", type=int, default=0, help="decides all that is random")
    options = parser.parse_args()
    (pixels, labels), (test_pixels, test_labels) = load_data("mnist")
    pax.seed_rng_key(options.seed)
    try:
        _ = InputNode(pixels[:2]) >> flatten >> pax.Linear(28, 10)
    except pax.ShapeError as error:
        print(f"A layer that does not fit is an error in its own line:\n{error}\n")
    model = build(pixels[:2])
    print(model.summary())

    optimizer = pax.optim.Optimizer(optax.adam(1e-3), model)
    update = jax.jit(pax.build_update_fn(loss_fn))
    numbers = np.random.default_rng(options.seed)
    for _ in track(range(options.steps), transient=True, disable=not sys.stdout.isatty()):
        drawn = numbers.integers(len(labels), size=64)
        model, optimizer, _ = update(model, optimizer, pixels[drawn], labels[drawn])
    accuracy = (model.eval()(test_pixels).argmax(axis=1) == test_labels).mean()
    print(f"test accuracy after {options.steps} steps: {accuracy:.1%}")


if __name__ == "__main__":
    pax.use_compilation_cache()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
