"""Fine-tuning: a network that reads the digits 0 to 4 learns 5 to 9 from a few images of each.

Its body is frozen and keeps what it learned; only a new head is trained. The same network, trained
from scratch on the same few images, shows what the body is worth.
"""

from __future__ import annotations

import math
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from matplotlib.figure import Figure
from rich.progress import Progress

import pax
from examples.images import SETS, Images, load_data

BATCH_SIZE = 64
LINE = "{:3} of each new class: {:5.1%} with the frozen body, {:5.1%} from scratch"


def halve(x: jax.Array) -> jax.Array:
    """Returns the maxima of 2 x 2 pixels."""
    return pax.max_pool(x, 2, 2, "SAME")


def flatten(x: jax.Array) -> jax.Array:
    """Returns the features of each image in a row, [B, D]."""
    return x.reshape(len(x), -1)


class Network(pax.Module):
    """A convolutional body that turns an image into features, and a head that names the class."""

    def __init__(self, side: int, rng_key: jax.Array) -> None:
        super().__init__()
        keys = jax.random.split(rng_key, 4)
        self.body = pax.Sequential(
            pax.Conv2D(1, 32, 5, stride=2, rng_key=keys[0]),
            pax.BatchNorm2D(32),
            jax.nn.relu,
            halve,
            pax.Conv2D(32, 64, 3, rng_key=keys[1]),
            pax.BatchNorm2D(64),
            jax.nn.relu,
            halve,
            flatten,
            pax.Dropout(0.5).replace(rng_key=keys[2]),
        )
        self.head = pax.Linear(64 * math.ceil(side / 8) ** 2, 5, rng_key=keys[3])

    def __call__(self, pixels: jax.Array) -> jax.Array:
        """Returns the logits of five classes, [B, 5]."""
        return self.head(self.body(pixels[..., None]))


def with_new_head(network: Network, rng_key: jax.Array) -> Network:
    """Returns the network with its body frozen and a new head.

    A frozen array gets no gradient and no place in the optimizer. The averages of batch
    normalization and the key of dropout are no parameters: evaluation mode keeps those.
    """
    body = pax.freeze_parameters(network.body).eval()
    return network.replace(body=body, head=pax.Linear(network.head.in_dim, 5, rng_key=rng_key))


def changed_arrays(before: pax.Module, after: pax.Module) -> list[str]:
    """Returns the paths of the arrays in which two modules of one structure differ."""
    pax.assert_structure_equal(before, after)
    pairs = zip(jax.tree.leaves_with_path(before), jax.tree.leaves(after), strict=True)
    paths = [path for (path, x), y in pairs if (x != y).any()]
    return [jax.tree_util.keystr(path, simple=True, separator=".") for path in paths]


def loss_fn(network: Network, pixels: jax.Array, labels: jax.Array) -> tuple[jax.Array, Any]:
    """Returns the loss, and with it the changed network."""
    network, logits = pax.purecall(network, pixels)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return loss, (loss, network)


update = jax.jit(pax.build_update_fn(loss_fn))
adam = optax.adam(3e-3)


def train(network: Network, images: Images, steps: int, numbers: np.random.Generator) -> Network:
    """Returns the network after so many steps, each on images drawn from the given ones."""
    optimizer = pax.optim.Optimizer(adam, network)
    for _ in range(steps):
        drawn = numbers.integers(len(images[1]), size=BATCH_SIZE)
        network, optimizer, _ = update(network, optimizer, images[0][drawn], images[1][drawn])
    return network


@jax.jit
def accuracy(network: Network, pixels: jax.Array, labels: jax.Array) -> jax.Array:
    """Returns the share of images that the network names rightly."""
    return (network.eval()(pixels).argmax(axis=-1) == labels).mean()


def five_classes(images: Images, first: int, each: int | None = None) -> Images:
    """Returns the images of five classes, at most so many of each, with labels from 0 to 4."""
    chosen = [np.flatnonzero(images[1] == first + i)[:each] for i in range(5)]
    return images[0][np.concatenate(chosen)], images[1][np.concatenate(chosen)] - first


def compare(
    network: Network, images: Images, test: Images, steps: int, numbers: np.random.Generator
) -> tuple[float, float]:
    """Returns the test accuracies that a few images give: with the frozen body, from scratch."""
    head_key, scratch_key = jax.random.split(jax.random.key(numbers.integers(2**31)))
    before = with_new_head(network, head_key)
    tuned = train(before, images, steps, numbers)
    changed = changed_arrays(before.body, tuned.body)
    if changed or not changed_arrays(before.head, tuned.head):
        sys.exit(f"Only the head should change; of the frozen body, {changed or 'nothing'} did.")
    scratch = train(Network(images[0].shape[1], scratch_key), images, steps, numbers)
    return float(accuracy(tuned, *test)), float(accuracy(scratch, *test))


def draw(file: Path, shots: list[int], results: np.ndarray) -> None:
    """Draws the accuracies [shots, draws, 2] over the number of images: each draw, and the mean."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for i, label in enumerate(["frozen body, new head", "from scratch"]):
        axes.plot(shots, results[..., i].mean(axis=1), f"C{i}", label=f"{label}, mean")
        axes.plot(shots, results[..., i], f"C{i}.", alpha=0.5)
    axes.set(xscale="log", xlabel="images of each new class", ylabel="accuracy on test images")
    axes.set_xticks(shots, map(str, shots))
    axes.set_xticks([], minor=True)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, dpi=100)


def main() -> None:
    """Reads the command line, trains, and shows what came of it."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", choices=SETS, default="mnist", help="images used")
    parser.add_argument("--body-steps", type=int, default=600, help="steps on the classes 0 to 4")
    parser.add_argument("--steps", type=int, default=150, help="steps on a few images")
    parser.add_argument(
        "--shots",
        type=int,
        nargs="+",
        default=[1, 2, 5, 10, 20, 50],
        help="images of each new class",
    )
    parser.add_argument("--draws", type=int, default=10, help="times to draw the few images")
    parser.add_argument("--seed", type=int, default=0, help="decides all that is random")
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder of the picture")
    options = parser.parse_args()
    if min(options.body_steps, options.steps, options.draws, *options.shots) < 1:
        sys.exit("--body-steps, --steps, --shots and --draws start at 1.")
    train_set, test_set = load_data(options.data)
    numbers = np.random.default_rng(options.seed)
    network = Network(train_set[0].shape[1], jax.random.key(options.seed))
    network = train(network, five_classes(train_set, 0), options.body_steps, numbers)
    reached = accuracy(network, *five_classes(test_set, 0))
    print(f"accuracy on the classes 0 to 4: {reached:.1%}", flush=True)
    results = np.zeros((len(options.shots), options.draws, 2))
    new_test = five_classes(test_set, 5)
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        for i, j in bar.track(list(np.ndindex(results.shape[:2]))):
            order = numbers.permutation(len(train_set[1]))
            few = five_classes((train_set[0][order], train_set[1][order]), 5, options.shots[i])
            results[i, j] = compare(network, few, new_test, options.steps, numbers)
            if j == options.draws - 1:
                print(LINE.format(options.shots[i], *results[i].mean(axis=0)), flush=True)
    frozen = len(jax.tree.leaves(network.body))
    print(f"frozen arrays: {frozen}; none of them changed in {results.size // 2} runs")
    file = options.output / f"fine_tune-{options.data}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    draw(file, options.shots, results)
    print(f"picture: {file}")


if __name__ == "__main__":
    pax.use_compilation_cache()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
