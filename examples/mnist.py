"""Train a small convolutional network to read handwritten digits: a page to learn pax from.

Ctrl-C saves the epochs that are complete and ends with status 130; --resume goes on from there.
"""

from __future__ import annotations

import functools
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import safetensors.numpy
from jax.scipy.ndimage import map_coordinates
from matplotlib.figure import Figure
from rich.progress import Progress

import pax
from examples.images import SETS, Images, load_data

LINE = "epoch {:2}  training: loss {:.3f}, accuracy {:.1%}  test: loss {:.3f}, accuracy {:.1%}"
name_of = functools.partial(jax.tree_util.keystr, simple=True, separator=".")


def augment(rng_key: jax.Array, pixels: jax.Array) -> jax.Array:
    """Turns and zooms each image, a complex product, and moves it: by 14 degrees, 15 %, 8 %."""
    count, side, _ = pixels.shape
    turn, zoom, down, right = jax.random.uniform(rng_key, (4, count, 1, 1), minval=-1.0)
    y, x = jnp.mgrid[:side, :side][:, None] - (side - 1) / 2
    z = (1 + 0.15 * zoom) * jnp.exp(0.25j * turn) * (x + 1j * y) + 0.08 * side * (right + 1j * down)
    rows, columns = z.imag + (side - 1) / 2, z.real + (side - 1) / 2
    return jax.vmap(functools.partial(map_coordinates, order=1))(pixels, [rows, columns])


class ConvNet(pax.Module):
    """Two convolutions, each of which halves the image, and a dense layer."""

    def __init__(self, side: int, rng_key: jax.Array) -> None:
        super().__init__()
        keys = jax.random.split(rng_key, 4)
        self.conv1 = pax.Conv2D(1, 32, 5, stride=2, rng_key=keys[0])
        self.norm1 = pax.BatchNorm2D(32)
        self.conv2 = pax.Conv2D(32, 64, 5, stride=2, rng_key=keys[1])
        self.norm2 = pax.BatchNorm2D(64)
        self.dropout = pax.Dropout(0.1).replace(rng_key=keys[2])
        self.output = pax.Linear(64 * (side // 4) ** 2, 10, rng_key=keys[3])

    def __call__(self, pixels: jax.Array) -> jax.Array:
        """Returns the logits of the ten classes, [B, 10]."""
        x = jax.nn.relu(self.norm1(self.conv1(pixels[..., None])))  # [B, side / 2, side / 2, 32]
        x = jax.nn.relu(self.norm2(self.conv2(x)))  # [B, side / 4, side / 4, 64]
        return self.output(self.dropout(x.reshape(len(x), -1)))


@jax.jit
def loss_fn(model: ConvNet, pixels: jax.Array, labels: jax.Array) -> tuple[jax.Array, Any]:
    """Returns the loss, and with it the changed model, the accuracy and the logits [B, 10]."""
    model, logits = pax.purecall(model, pixels)  # in training: new averages, a new dropout key
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return loss, (model, jnp.mean(logits.argmax(axis=-1) == labels), logits)


@functools.partial(jax.jit, static_argnames="optimizer")
def train_step(optimizer, model, state, rng_key, pixels, labels):
    """Returns the model and the optimizer's state after one step, the loss and the accuracy."""
    loss_and_grad = pax.value_and_grad(loss_fn, has_aux=True)
    (loss, (model, accuracy, _)), grads = loss_and_grad(model, augment(rng_key, pixels), labels)
    params = model.parameters()
    updates, state = optimizer.update(grads, state, params)
    return model.update_parameters(optax.apply_updates(params, updates)), state, loss, accuracy


class Run(NamedTuple):
    """All that training changes."""

    model: ConvNet
    optimizer_state: Any
    history: np.ndarray  # [epochs, 4]: loss and accuracy in training, then in the test


def train_epoch(optimizer, run: Run, rng_key, train_set: Images, test_set: Images, size) -> Run:
    """Goes over the images once more, in random order, and returns the new run."""
    order_key, step_key = jax.random.split(jax.random.fold_in(rng_key, len(run.history)))
    order = np.asarray(jax.random.permutation(order_key, len(train_set[1])))
    (model, state, history), results = run, []
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        for start in bar.track(range(0, len(order) + 1 - size, size)):
            images = [x[order[start : start + size]] for x in train_set]
            key = jax.random.fold_in(step_key, start)
            model, state, *result = train_step(optimizer, model, state, key, *images)
            results.append([float(x) for x in result])
            loss, accuracy = np.mean(results, axis=0)
            bar.update(bar.task_ids[0], description=f"loss {loss:.3f}  accuracy {accuracy:.1%}")
    test_loss, (_, test_accuracy, _) = loss_fn(model.eval(), *test_set)
    row = np.array([[*np.mean(results, axis=0), test_loss, test_accuracy]], np.float32)
    return Run(model, state, np.concatenate([history, row]))


def draw(file: Path, run: Run, test_set: Images) -> None:
    """Draws the learning curves, and the test images that the model is least sure of."""
    _, (_, accuracy, logits) = loss_fn(run.model.eval(), *test_set)
    guesses, sureness = np.argmax(logits, axis=1), np.max(jax.nn.softmax(logits), axis=1)
    figure = Figure(figsize=(9, 8.5), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[2, 3])[:, 0]
    for i, axes in enumerate(above.subplots(1, 2)):
        axes.plot(range(1, len(run.history) + 1), run.history[:, [i, i + 2]], marker=".")
        axes.set(title=["loss", "accuracy"][i], xlabel="epoch", yscale=["log", "linear"][i])
        axes.legend(["training, changed images", "test"])
    below.suptitle(f"Test accuracy {accuracy:.1%}; below, what it is least sure of, errors in red")
    for axes, i in zip(below.subplots(5, 12).flat, np.argsort(sureness), strict=False):
        right = guesses[i] == test_set[1][i]
        axes.imshow(test_set[0][i], cmap="Greys" if right else "Reds")
        axes.set_title(f"{guesses[i]}" if right else f"{guesses[i]}, is {test_set[1][i]}")
        axes.axis("off")
    figure.savefig(file, dpi=100)


def main() -> None:
    """Reads the command line, trains, and shows what came of it."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", choices=SETS, default="mnist", help="images used")
    parser.add_argument("--epochs", type=int, default=15, help="times to go over all images")
    parser.add_argument("--batch-size", type=int, default=64, help="images in one step")
    parser.add_argument("--seed", type=int, default=0, help="decides all that is random")
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder of the results")
    parser.add_argument("--resume", action="store_true", help="go on from the weights saved there")
    options = parser.parse_args()
    file = options.output / f"{options.data}.safetensors"
    if options.resume:
        if not file.exists():
            sys.exit(f"--resume: there is no {file} to go on from.")
        parser.set_defaults(**safetensors.safe_open(file, "numpy").metadata())
        options = parser.parse_args()
    train_set, test_set = load_data(options.data)
    if options.epochs < 1 or not 1 <= options.batch_size <= len(train_set[1]):
        sys.exit(f"--epochs starts at 1; --batch-size goes from 1 to {len(train_set[1])}.")
    steps = options.epochs * (len(train_set[1]) // options.batch_size)
    optimizer: Any = optax.adamw(optax.warmup_cosine_decay_schedule(0, 6e-3, steps // 10, steps))
    model_key, train_key = jax.random.split(jax.random.PRNGKey(options.seed))
    model = ConvNet(train_set[0].shape[1], model_key)
    run = Run(model, optimizer.init(model.parameters()), np.zeros((0, 4), np.float32))
    if options.resume:
        arrays = safetensors.numpy.load_file(file)
        run = jax.tree.map_with_path(lambda path, _: arrays[name_of(path)], run)
    try:
        while len(run.history) < options.epochs:
            run = train_epoch(optimizer, run, train_key, train_set, test_set, options.batch_size)
            print(LINE.format(len(run.history), *run.history[-1]), flush=True)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        file.parent.mkdir(parents=True, exist_ok=True)
        arrays = {name_of(path): np.asarray(x) for path, x in jax.tree.leaves_with_path(run)}
        safetensors.numpy.save_file(arrays, file, {k: str(v) for k, v in vars(options).items()})
        print(f"weights after {len(run.history)} of {options.epochs} epochs: {file}")
    draw(file.with_suffix(".png"), run, test_set)
    print(f"picture: {file.with_suffix('.png')}\n{run.model.summary()}")
    print(f"test accuracy: {run.history[-1, 3]:.2%}")


if __name__ == "__main__":
    pax.use_compilation_cache()
    main()
