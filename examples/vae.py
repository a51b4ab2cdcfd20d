"""Train a variational autoencoder on handwritten digits, and let it draw new ones.

A picture x is black and white: each pixel is drawn with its grey value as the probability of ink,
anew in each epoch, once for all for the test. The model says p(z) = N(0, 1) for a code z of a few
numbers, and p(x | z) independent pixels whose probabilities a network, the decoder, computes from
z. Its log-likelihood of x is at least the evidence lower bound (ELBO),

  log p(x) >= E[log p(x | z)] - KL(q(z | x) || p(z))    with z drawn from q(z | x),

where another network, the encoder, computes mean and deviation of q(z | x) from x. Training
raises the bound. It is in nats per image: the baseline, independent pixels with the frequencies
of the training images, is a log-likelihood in the same unit.
"""

from __future__ import annotations

import functools
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
from examples.images import SETS, load_data, tiled

LINE = "epoch {:3}  ELBO: training {:.2f}, test {:.2f} = {:.2f} (pixels) - {:.2f} (code)"


class VAE(pax.Module):
    """Two networks of dense layers; a sequence of random keys, to draw the codes with."""

    def __init__(self, pixels: int, hidden: int, code: int) -> None:
        super().__init__()
        self.encoder = dense_network(pixels, hidden, 2 * code)
        self.decoder = dense_network(code, hidden, pixels)
        self.rng_seq = pax.RngSeq()

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the two terms of the bound for pictures [B, pixels], both [B]."""
        mean, log_std = jnp.split(self.encoder(x), 2, axis=-1)
        noise = jax.random.normal(self.rng_seq.next_rng_key(), mean.shape)
        logits = self.decoder(mean + jnp.exp(log_std) * noise)
        log_likelihood = -optax.sigmoid_binary_cross_entropy(logits, x).sum(axis=-1)
        divergence = (mean**2 + jnp.exp(2 * log_std) - 1) / 2 - log_std
        return log_likelihood, divergence.sum(axis=-1)


def dense_network(in_dim: int, hidden: int, out_dim: int) -> pax.Sequential:
    """Returns two hidden layers and an output layer."""
    layers = [pax.Linear(in_dim, hidden), jax.nn.gelu, pax.Linear(hidden, hidden), jax.nn.gelu]
    return pax.Sequential(*layers, pax.Linear(hidden, out_dim))


def ink(rng_key: jax.Array, grey: jax.Array) -> jax.Array:
    """Draws black and white pictures [N, pixels] from grey ones [N, side, side]."""
    return jax.random.bernoulli(rng_key, grey).astype(jnp.float32).reshape(len(grey), -1)


def baseline(grey: np.ndarray, pictures: np.ndarray) -> float:
    """Returns the log-likelihood of pictures, were the pixels independent, in nats per picture."""
    probability = (grey.reshape(len(grey), -1).sum(axis=0) + 0.5) / (len(grey) + 1)
    return float(np.log(np.where(pictures, probability, 1 - probability)).sum(axis=1).mean())


def loss_fn(model: VAE, x: jax.Array) -> tuple[jax.Array, Any]:
    """Returns minus the bound, and with it its terms and the model with the next random key."""
    model, (log_likelihood, divergence) = pax.purecall(model, x)
    terms = log_likelihood.mean(), divergence.mean()
    return terms[1] - terms[0], (terms, model)


update = pax.build_update_fn(loss_fn, scan_mode=True)


@functools.partial(jax.jit, static_argnames="size")
def train_epoch(model, optimizer, rng_key, grey, size):
    """Goes over the images once, in random order, drawn anew; returns the mean of both terms."""
    order_key, ink_key = jax.random.split(rng_key)
    pictures = ink(ink_key, jax.random.permutation(order_key, grey))
    batches = pictures[: len(grey) // size * size].reshape(-1, size, pictures.shape[-1])
    (model, optimizer), terms = pax.scan(update, (model, optimizer), batches)
    return model, optimizer, jax.tree.map(jnp.mean, terms)


def draw(file: Path, model: VAE, pictures: jax.Array, side: int, rng_key: jax.Array) -> None:
    """Draws test pictures, what the decoder makes of their codes, and of codes from the prior."""
    originals = pictures[:: len(pictures) // 36][:36]
    codes = model.encoder(originals)[:, : model.decoder[0].in_dim]  # the means
    prior = jax.random.normal(rng_key, (36, codes.shape[-1]))
    shown = {
        "Test pictures": originals,
        "Decoded from their codes": jax.nn.sigmoid(model.decoder(codes)),
        "Decoded from random codes": jax.nn.sigmoid(model.decoder(prior)),
    }
    figure = Figure(figsize=(7.2, 2.7), layout="constrained")
    for axes, (title, images) in zip(figure.subplots(1, 3), shown.items(), strict=True):
        axes.imshow(tiled(np.reshape(images, (36, side, side)), 6), cmap="Greys", vmin=0, vmax=1)
        axes.set_title(title)
        axes.axis("off")
    figure.savefig(file, dpi=100)


def main() -> None:
    """Reads the command line, trains, and shows what came of it."""
    about = "Train a variational autoencoder on small images, and let it draw new ones."
    parser = ArgumentParser(description=about, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", choices=SETS, default="mnist", help="images used")
    parser.add_argument("--epochs", type=int, default=120, help="times to go over all images")
    parser.add_argument("--batch-size", type=int, default=100, help="images in one step")
    parser.add_argument("--hidden", type=int, default=500, help="width of the hidden layers")
    parser.add_argument("--code", type=int, default=20, help="numbers in the code of an image")
    parser.add_argument("--seed", type=int, default=0, help="decides all that is random")
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder of the picture")
    options = parser.parse_args()
    (train_grey, _), (test_grey, _) = load_data(options.data)
    if options.epochs < 1 or not 1 <= options.batch_size <= len(train_grey):
        sys.exit(f"--epochs starts at 1; --batch-size goes from 1 to {len(train_grey)}.")
    pictures = ink(jax.random.key(0), jnp.asarray(test_grey))  # the same for every seed
    print(f"baseline, independent pixels: {baseline(train_grey, np.asarray(pictures)):.2f}")

    pax.seed_rng_key(options.seed)
    model = VAE(pictures.shape[-1], options.hidden, options.code)
    steps = options.epochs * (len(train_grey) // options.batch_size)
    learning_rate = optax.warmup_cosine_decay_schedule(0, 1e-3, steps // 20, steps)
    optimizer = pax.optim.Optimizer(optax.adam(learning_rate), model)
    evaluate = jax.jit(lambda model: loss_fn(model, pictures)[1][0])
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        for epoch in bar.track(range(1, options.epochs + 1), description="training"):
            key = jax.random.fold_in(jax.random.key(options.seed), epoch)
            size = options.batch_size
            model, optimizer, terms = train_epoch(model, optimizer, key, train_grey, size)
            if epoch % max(1, options.epochs // 10) == 0 or epoch == options.epochs:
                test = evaluate(model)
                print(LINE.format(epoch, terms[0] - terms[1], test[0] - test[1], *test), flush=True)
    file = options.output / f"vae-{options.data}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    draw(file, model, pictures, test_grey.shape[1], jax.random.key(options.seed))
    print(f"picture: {file}")


if __name__ == "__main__":
    pax.use_compilation_cache()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
