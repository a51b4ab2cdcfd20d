"""Train a diffusion model on handwritten digits, and let it draw the digits it is asked for.

An image x and noise e of the same shape are two directions; z(a) = cos(a) x + sin(a) e turns from
the image, a = 0, to the noise, a = 90 degrees. A U-Net learns the velocity of this turn,

  v(a) = dz/da = cos(a) e - sin(a) x,

from z(a), the angle and the class of the image. To draw, start from noise and turn back in small
steps d: z <- cos(d) z - sin(d) v. Guidance exaggerates what the class does to v. The network that
draws has the moving average of the weights.

Salimans and Ho, "Progressive distillation for fast sampling of diffusion models", 2022
(arXiv 2202.00512), appendix D; Ho and Salimans, "Classifier-free diffusion guidance", 2022
(arXiv 2207.12598).
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
from examples import mnist
from examples.images import SETS, Images, load_data, tiled
from examples.unet import NO_CLASS, UNet

BUCKETS = 5  # of angles, for the losses


def loss_fn(model: UNet, rng_key: jax.Array, x: jax.Array, label: jax.Array) -> Any:
    """Returns the mean squared error of the velocity; beside it, that of each image, by angle."""
    angle_key, noise_key, label_key = jax.random.split(rng_key, 3)
    # Evenly spread, from a random start: a batch has all angles in it.
    angle = jnp.pi / 2 * (jnp.arange(len(x)) + jax.random.uniform(angle_key)) / len(x)
    cos, sin = jnp.cos(angle)[:, None, None], jnp.sin(angle)[:, None, None]
    noise = jax.random.normal(noise_key, x.shape)
    if model.training:  # it learns to do without the class as well
        label = jnp.where(jax.random.bernoulli(label_key, 0.1, label.shape), NO_CLASS, label)
    model, velocity = pax.purecall(model, cos * x + sin * noise, angle, label)
    losses = jnp.mean((velocity - (cos * noise - sin * x)) ** 2, axis=(1, 2))
    return losses.mean(), (losses, model)


update = pax.build_update_fn(loss_fn)


@jax.jit
def train_step(model, optimizer, ema, rng_key, x, label):
    """Returns all three after one step, and the loss."""
    model, optimizer, losses = update(model, optimizer, rng_key, x, label)
    ema, _ = pax.purecall(ema, model.parameters())
    return model, optimizer, ema, losses.mean()


@functools.partial(jax.jit, static_argnames=("side", "steps"))
def sample(model, rng_key, label, *, side: int, steps: int, guidance: float) -> jax.Array:
    """Draws an image of each class asked for, [B, side, side]."""
    size = jnp.pi / 2 / steps

    def turn_back(z, step):
        angle = jnp.full(len(z), step * size)
        of_any = model(z, angle, jnp.full_like(label, NO_CLASS))
        velocity = of_any + guidance * (model(z, angle, label) - of_any)
        return jnp.cos(size) * z - jnp.sin(size) * velocity, None

    noise = jax.random.normal(rng_key, (len(label), side, side))
    return pax.scan(turn_back, noise, jnp.arange(steps, 0, -1))[0]


def linear_losses(x: np.ndarray) -> np.ndarray:
    """Returns the loss, in each bucket, of the best guess that is linear in z, pixel by pixel.

    A turn keeps areas: var(z) times what z leaves unknown of v is var(x) times var(e), one.
    """
    angle = np.pi / 2 * (np.arange(100 * BUCKETS)[:, None] + 0.5) / (100 * BUCKETS)
    variance = x.var(axis=0).reshape(1, -1)  # of each pixel
    losses = variance / (np.cos(angle) ** 2 * variance + np.sin(angle) ** 2)
    return losses.reshape(BUCKETS, -1).mean(axis=1)


def train_model(model: UNet, images: Images, epochs: int, size: int) -> UNet:
    """Returns the model with the moving average of its weights in training."""
    steps = epochs * (len(images[1]) // size)
    learning_rate = optax.warmup_cosine_decay_schedule(0, 4e-3, steps // 20, steps)
    transformation = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(learning_rate))
    optimizer = pax.optim.Optimizer(transformation, model)
    ema = pax.EMA(model.parameters(), 0.99)
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        for epoch in bar.track(range(1, epochs + 1), description="training"):
            order = np.asarray(jax.random.permutation(pax.next_rng_key(), len(images[1])))
            losses = []
            for start in range(0, len(order) + 1 - size, size):
                x, label = (array[order[start : start + size]] for array in images)
                model, optimizer, ema, loss = train_step(
                    model, optimizer, ema, pax.next_rng_key(), x, label
                )
                losses.append(loss)
            if epoch % max(1, epochs // 10) == 0:
                print(f"epoch {epoch:2}  loss {np.mean(losses):.4f}", flush=True)
    return model.update_parameters(ema.averages).eval()


def train_judge(train_set: Images, test_set: Images, epochs: int) -> mnist.ConvNet:
    """Returns a reader of images: the network of examples/mnist.py, trained for a while."""
    optimizer: Any = optax.adamw(optax.cosine_decay_schedule(6e-3, epochs * 62))
    model = mnist.ConvNet(train_set[0].shape[1], jax.random.PRNGKey(1))
    run = mnist.Run(model, optimizer.init(model.parameters()), np.zeros((0, 4), np.float32))
    for _ in range(epochs):
        run = mnist.train_epoch(optimizer, run, jax.random.key(2), train_set, test_set, 64)
    return run.model.eval()


def verdict(judge: mnist.ConvNet, images: np.ndarray, label: np.ndarray, train: np.ndarray) -> str:
    """Says how many images are read as their class, and how far they are from the known ones."""
    p = np.asarray(jax.nn.softmax(judge(jnp.asarray(images))))
    read, sure = p.argmax(axis=1) == label, p[np.arange(len(label)), label] > 0.9
    x, y = images.reshape(len(images), -1), train.reshape(len(train), -1)
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None] - 2 * x @ y.T
    return (
        f"{read.mean():6.1%} read as their class, {sure.mean():6.1%} with p > 0.9; "
        f"{np.sqrt(squares.min(axis=1)).mean():5.2f} from the nearest training image"
    )


def main() -> None:
    """Reads the command line, trains, and shows what came of it."""
    about = "Train a diffusion model on small images, and let it draw new ones."
    parser = ArgumentParser(description=about, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", choices=SETS, default="mnist", help="images used")
    parser.add_argument("--epochs", type=int, default=30, help="times to go over all images")
    parser.add_argument("--batch-size", type=int, default=64, help="images in one step")
    parser.add_argument("--channels", type=int, default=32, help="features, a multiple of 8")
    parser.add_argument("--steps", type=int, default=40, help="steps from noise to image")
    parser.add_argument("--guidance", type=float, default=2.0, help="weight of the class")
    parser.add_argument("--each", type=int, default=50, help="images to draw of each class")
    parser.add_argument("--judge-epochs", type=int, default=8, help="training of the classifier")
    parser.add_argument("--seed", type=int, default=0, help="decides all that is random")
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder of the picture")
    options = parser.parse_args()
    train_set, test_set = (images, label), (test, test_label) = load_data(options.data)
    if options.epochs < 1 or not 1 <= options.batch_size <= len(label):
        sys.exit(f"--epochs starts at 1; --batch-size goes from 1 to {len(label)}.")

    pax.seed_rng_key(options.seed)
    scaled = 2 * images - 1, label  # from -1 to 1
    model = train_model(UNet(options.channels), scaled, options.epochs, options.batch_size)
    order = np.random.default_rng(0).permutation(len(test) // BUCKETS * BUCKETS)
    shuffled = 2 * test[order] - 1, test_label[order]  # no class has angles of its own
    _, (losses, _) = jax.jit(loss_fn)(model, pax.next_rng_key(), *shuffled)
    print("angles, to degrees", *(f"{x:6.0f}" for x in np.linspace(0, 90, BUCKETS + 1)[1:]))
    print("loss, test images ", *(f"{x:6.3f}" for x in losses.reshape(BUCKETS, -1).mean(axis=1)))
    print("best linear guess ", *(f"{x:6.3f}" for x in linear_losses(scaled[0])), flush=True)

    judge = train_judge(train_set, test_set, options.judge_epochs)
    print("test images: ", verdict(judge, test, test_label, images))
    noise = np.random.default_rng(0).random((10 * options.each, *test.shape[1:]), np.float32)
    asked = np.tile(np.arange(10), options.each)
    print("noise images:", verdict(judge, noise, asked, images), flush=True)
    for guidance in (1.0, options.guidance):
        how = {"side": test.shape[1], "steps": options.steps, "guidance": guidance}
        drawn = sample(model, pax.next_rng_key(), asked, **how)
        drawn = np.clip((np.asarray(drawn) + 1) / 2, 0, 1)
        print(f"guidance {guidance:3.1f}:", verdict(judge, drawn, asked, images), flush=True)
    file = options.output / f"diffusion-{options.data}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(6, 6))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(tiled(drawn[:100], 10), cmap="Greys")
    axes.axis("off")
    figure.savefig(file, dpi=70)
    print(f"picture: {file}")


if __name__ == "__main__":
    pax.use_compilation_cache()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
