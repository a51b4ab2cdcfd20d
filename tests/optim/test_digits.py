"""Real digits, learned with opax and with optax: the loss falls, and to the same numbers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import opax
import optax
import pytest

import pax
from examples.images import load_data

STEPS, BATCH = 60, 50


class Net(pax.Module):
    """A dense network with batch statistics and a random key."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = pax.Linear(49, 32)
        self.norm = pax.BatchNorm1D(32)
        self.dropout = pax.Dropout(0.1)
        self.output = pax.Linear(32, 10)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = jax.nn.relu(self.norm(self.hidden(x)[:, None])[:, 0])
        return self.output(self.dropout(x))


def loss_fn(model: Any, batch: Any) -> Any:
    pixels, labels = batch
    model, logits = pax.purecall(model, pixels)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return loss, (loss, model)


Images = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def images() -> tuple[Images, Images]:
    """Returns batches of digits to learn from, and others to test with, averaged to 7x7 pixels."""

    def small(pixels: np.ndarray) -> np.ndarray:
        return pixels.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(-1, 49)

    (pixels, labels), (test_pixels, test_labels) = load_data("mnist")
    order = np.random.default_rng(0).permutation(len(labels))[: STEPS * BATCH]
    batches = small(pixels[order]).reshape(STEPS, BATCH, 49), labels[order].reshape(STEPS, BATCH)
    return batches, (small(test_pixels), test_labels)


def in_jit(net: Any, optimizer: Any, batches: Images) -> tuple[Any, Any, jax.Array]:
    update = jax.jit(pax.build_update_fn(loss_fn))
    losses = []
    for batch in zip(*batches, strict=True):
        net, optimizer, loss = update(net, optimizer, batch)
        losses.append(loss)
    assert update._cache_size() == 1
    return net, optimizer, jnp.stack(losses)


def in_scan(net: Any, optimizer: Any, batches: Images) -> tuple[Any, Any, jax.Array]:
    update = pax.build_update_fn(loss_fn, scan_mode=True)
    (net, optimizer), losses = pax.scan(update, (net, optimizer), batches)
    return net, optimizer, losses


OPTIMIZERS = {
    "sgd": (opax.sgd(0.05), optax.sgd(0.05, momentum=0.9)),
    "adam": (opax.adam(0.01), optax.adam(0.01)),
    "adamw": (opax.adamw(0.01, weight_decay=0.01), optax.adamw(0.01, weight_decay=0.01)),
    "rmsprop": (opax.rmsprop(0.005), optax.rmsprop(0.005, eps_in_sqrt=True)),
}


@jax.jit
def accuracy(net: Any, pixels: Any, labels: Any) -> jax.Array:
    return jnp.mean(net.eval()(pixels).argmax(axis=1) == labels)


@pytest.mark.parametrize(
    "name",
    ["adam", *(pytest.param(n, marks=pytest.mark.slow) for n in ("rmsprop", "sgd", "adamw"))],
)
def test_digits_are_learned(name: str, images: tuple[Images, Images]) -> None:
    """The loss of a guess is log 10 = 2.3; all start above it."""
    of_opax, of_optax = OPTIMIZERS[name]
    batches, test_images = images
    net = Net()
    in_its_mode = in_jit if name == "adam" else in_scan
    with jax.numpy_dtype_promotion("standard"):  # opax needs it
        opax_net, _, losses = in_its_mode(net, of_opax(net.parameters()), batches)
    recorded = optax.chain(pax.optim.record_gradient_norm(), of_optax)
    optax_net, optimizer, optax_losses = in_scan(net, pax.optim.Optimizer(recorded, net), batches)
    np.testing.assert_allclose(losses, optax_losses, rtol=1e-3)
    assert losses[0] > 2.3
    assert losses[-10:].mean() < 0.9
    assert accuracy(opax_net, *test_images) > 0.75
    assert accuracy(optax_net, *test_images) > 0.75
    assert 0.1 < optimizer.gradient_norm < 10.0
