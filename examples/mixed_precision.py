"""Train the network of examples/mnist.py three times: in float32, bfloat16 and float16.

Parameters, optimizer and statistics stay in float32; convolutions and dense layers compute in 16
bits, and activations are kept so. bfloat16 has the range of float32. float16 has not: small
gradients would vanish and large ones overflow, so the loss is scaled, and a step that overflows
is skipped while the scale falls.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import pax
from examples.images import SETS, Images, load_data
from examples.mnist import ConvNet, augment

COLUMNS = ("precision", "accuracy", "kept for gradients", "memory", "time", "loss scale", "skipped")
CAPTION = (
    "kept: by the forward pass for the backward pass; memory: of the compiled step, beside its "
    "arguments; time: the least of all steps; skipped: steps that overflowed"
)
HALF = pax.Policy.parse("params=float32,compute=float16,output=float16")
FULL = pax.Policy.parse("params=float32,compute=float32,output=float16")


def float16_policy(module: pax.Module) -> pax.Module:
    """Returns a module under the policy of its role: what `default_mp_policy` does, in float16."""
    policy = {"half": HALF, "full": FULL}.get(module.precision_role or "")
    return pax.apply_mp_policy(module, mp_policy=policy) if policy else module


def in_precision(model: ConvNet, name: str) -> tuple[ConvNet, Any]:
    """Returns the model, and the scale of its loss."""
    if name == "float16":
        return model.apply(float16_policy), pax.precision.DynamicLossScale(period=100)
    if name == "bfloat16":
        model = model.apply(pax.experimental.default_mp_policy)
    return model, pax.precision.StaticLossScale(1.0)


def loss_fn(model: ConvNet, loss_scale: Any, pixels: jax.Array, labels: jax.Array) -> Any:
    """Returns the scaled loss; beside it, the loss, the accuracy and the changed model."""
    model, logits = pax.purecall(model, pixels)
    logits = logits.astype(jnp.float32)  # [B, 10]
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return loss_scale.scale(loss), (loss, jnp.mean(logits.argmax(axis=-1) == labels), model)


@jax.jit
def train_step(model, optimizer, loss_scale, rng_key, pixels, labels):
    """Returns all three after one step, and the loss."""
    pixels = augment(rng_key, pixels)
    loss_and_grad = pax.value_and_grad(loss_fn, has_aux=True)
    (_, (loss, _, model)), grads = loss_and_grad(model, loss_scale, pixels, labels)
    step = pax.experimental.apply_scaled_gradients(model, optimizer, loss_scale, grads)
    return *step, loss


def kept_bytes(model: ConvNet, *inputs: Any) -> int:
    """Returns the size of what the forward pass keeps for the backward pass."""

    def backward_pass(params):  # a function that is a tree of the arrays it needs
        return jax.vjp(lambda params: loss_fn(model | params, *inputs)[0], params)[1]

    kept = jax.tree.leaves(jax.eval_shape(backward_pass, model.parameters()))
    return sum(x.size * x.dtype.itemsize for x in kept)


def batches(images: Images, epochs: int, size: int, seed: int) -> Iterator[Images]:
    """Yields the images in random order, again and again."""
    numbers = np.random.default_rng(seed)
    for _ in range(epochs):
        order = numbers.permutation(len(images[1]))
        for start in range(0, len(order) + 1 - size, size):
            chosen = order[start : start + size]
            yield images[0][chosen], images[1][chosen]


def run(name: str, train_set: Images, test_set: Images, options: Any) -> list[str]:
    """Trains in one precision and returns what came of it: a row of the table."""
    key = jax.random.PRNGKey(options.seed)
    model, loss_scale = in_precision(ConvNet(train_set[0].shape[1], key), name)
    steps = options.epochs * (len(train_set[1]) // options.batch_size)
    learning_rate = optax.warmup_cosine_decay_schedule(0, 6e-3, steps // 10, steps)
    optimizer = pax.optim.Optimizer(optax.adamw(learning_rate), model)
    shown = [x[: options.batch_size] for x in train_set]
    kept = kept_bytes(model, loss_scale, *shown)
    state = (model, optimizer, loss_scale)
    compiled = train_step.lower(*state, key, *shown).compile()
    times, skipped = [], 0
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        data = batches(train_set, options.epochs, options.batch_size, options.seed)
        for i, images in enumerate(bar.track(data, steps, description=name)):
            began = time.perf_counter()
            *new_state, loss = compiled(*state, jax.random.fold_in(key, i), *images)
            loss.block_until_ready()
            times.append(time.perf_counter() - began)
            skipped += bool(new_state[2].loss_scale < state[2].loss_scale)
            state = new_state
    _, (_, accuracy, _) = jax.jit(loss_fn)(state[0].eval(), state[2], *test_set)
    memory: Any = compiled.memory_analysis()
    return [
        name,
        f"{accuracy:.1%}",
        f"{kept / 1e6:.2f} MB",
        f"{memory.temp_size_in_bytes / 1e6:.2f} MB",
        f"{1e3 * min(times):.1f} ms",
        f"{state[2].loss_scale:.0f}",
        f"{skipped} of {steps}",
    ]


def main() -> None:
    """Reads the command line, trains three times, and prints the table."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", choices=SETS, default="mnist", help="images used")
    parser.add_argument("--epochs", type=int, default=8, help="times to go over all images")
    parser.add_argument("--batch-size", type=int, default=64, help="images in one step")
    parser.add_argument("--seed", type=int, default=0, help="decides all that is random")
    options = parser.parse_args()
    train_set, test_set = load_data(options.data)
    if options.epochs < 1 or not 1 <= options.batch_size <= len(train_set[1]):
        sys.exit(f"--epochs starts at 1; --batch-size goes from 1 to {len(train_set[1])}.")
    table = Table(*COLUMNS, title=f"A step of {options.batch_size} images", caption=CAPTION)
    for name in ("float32", "bfloat16", "float16"):
        table.add_row(*run(name, train_set, test_set, options))
    Console(width=100).print(table)


if __name__ == "__main__":
    pax.use_compilation_cache()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
