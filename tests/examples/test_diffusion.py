"""The diffusion model's loss, sampler, baseline and judge are what they say; its program runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pax
from examples import diffusion
from examples.images import load_data
from examples.unet import UNet
from tests.examples.program import finish, png_size, start

#: The quick suite has six minutes; these run with `make test-all`.
pytestmark = pytest.mark.slow

VERDICT = re.compile(
    r"(.*): +(\d+\.\d)% read as their class, +(\d+\.\d)% with p > 0.9;"
    r" +(\d+\.\d\d) from the nearest training image"
)


@pytest.fixture(autouse=True)
def usual_promotion() -> Iterator[None]:
    """The example is written for JAX's usual promotion of dtypes and ranks."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def numbers_of(line: str, title: str) -> list[float]:
    assert line.startswith(title)
    return [float(x) for x in line.removeprefix(title).split()]


def verdicts(lines: list[str]) -> dict[str, list[float]]:
    """Returns what was found of each kind of images."""
    matches = [VERDICT.fullmatch(line) for line in lines]
    return {match[1]: [float(x) for x in match.groups()[1:]] for match in matches if match}


@pytest.mark.slow
def test_the_program_reports_losses_and_verdicts(
    environment: dict[str, str], tmp_path: Path
) -> None:
    small = ["--epochs", "2", "--batch-size", "100", "--channels", "8", "--judge-epochs", "1"]
    small += ["--each", "3", "--steps", "4"]
    output = finish(start(environment, "diffusion", *small, "--output", str(tmp_path)))
    first, second, angles, losses, guesses, *judged, picture = output.splitlines()
    found = [re.fullmatch(r"epoch +(\d)  loss (\d\.\d{4})", line) for line in (first, second)]
    assert [match and match[1] for match in found] == ["1", "2"]
    assert found[0] and found[1] and float(found[1][2]) < float(found[0][2]) < 1
    assert numbers_of(angles, "angles, to degrees") == [18, 36, 54, 72, 90]
    assert all(0 < x < 1.2 for x in numbers_of(losses, "loss, test images "))
    expected = diffusion.linear_losses(2 * load_data("mnist")[0][0] - 1)
    np.testing.assert_allclose(numbers_of(guesses, "best linear guess "), expected, atol=6e-4)
    judgement = verdicts(judged)
    assert list(judgement) == ["test images", "noise images", "guidance 1.0", "guidance 2.0"]
    assert judgement["test images"][0] > 80
    assert judgement["noise images"][0] < 40
    assert judgement["test images"][2] < judgement["noise images"][2]
    assert picture == f"picture: {tmp_path / 'diffusion-mnist.png'}"
    width, height = png_size(tmp_path / "diffusion-mnist.png")
    assert width == height > 300


def test_an_untrained_model_says_zero() -> None:
    """Its head starts at zero, so its loss is the mean square of the velocity, in expectation."""
    numbers = np.random.default_rng(1)
    x = numbers.uniform(-1, 1, (1000, 8, 8)).astype(np.float32)
    label = numbers.integers(0, 10, 1000)
    model = UNet(8)
    loss_fn = jax.jit(diffusion.loss_fn)
    loss, (losses, new_model) = loss_fn(model, jax.random.key(2), x, label)
    angle = np.pi / 2 * (np.arange(1000) + 0.5) / 1000
    expected = np.cos(angle) ** 2 + np.sin(angle) ** 2 * (x**2).mean(axis=(1, 2))
    for found, wanted in zip(losses.reshape(5, -1), expected.reshape(5, -1), strict=True):
        assert float(found.mean()) == pytest.approx(wanted.mean(), rel=0.05)
    assert float(loss) == pytest.approx(float(losses.mean()), rel=1e-6)
    assert pax.assert_structure_equal(model, new_model)


def test_the_network_hears_angle_and_class() -> None:
    weight = pax.initializers.normal(0.1)(jax.random.key(3), (4, 4, 1, 8))
    model = UNet(8).eval()
    model = model.replace(head=model.head.replace(weight=weight))
    model = model.map(lambda x: x + 0.1 if x.ndim == 4 else x)  # no block is an identity now
    z = jnp.broadcast_to(jax.random.normal(jax.random.key(4), (8, 8)), (3, 8, 8))
    out = jax.jit(model)(z, jnp.array([0.3, 0.3, 0.9]), jnp.array([1, 2, 1]))
    assert out.shape == z.shape
    assert jnp.abs(out[0] - out[1]).max() > 1e-3
    assert jnp.abs(out[0] - out[2]).max() > 1e-3


class Gaussian(pax.Module):
    """Knows the velocity of images whose pixels are normal, with a mean for each class."""

    def __init__(self, means: jax.Array, std: float) -> None:
        super().__init__()
        self.means = means
        self.variance = std**2

    def __call__(self, z: jax.Array, angle: jax.Array, label: jax.Array) -> jax.Array:
        cos, sin, mean = jnp.cos(angle)[0], jnp.sin(angle)[0], self.means[label]
        slope = cos * sin * (1 - self.variance) / (cos**2 * self.variance + sin**2)
        return -sin * mean + slope * (z - cos * mean)


def test_the_sampler_follows_a_known_velocity() -> None:
    """To the one image of a class, if there is one; to the spread of many, if there are."""
    means = jax.random.normal(jax.random.key(5), (11, 20, 20))
    label, how = jnp.array([0, 1, 1]), {"side": 20, "steps": 10}
    model, any_class = Gaussian(means, 0.0), means[jnp.array([10, 10, 10])]
    for guidance in (1.0, 1.5):  # the error of one image is linear in it
        drawn = diffusion.sample(model, jax.random.key(6), label, guidance=guidance, **how)
        expected = any_class + guidance * (means[label] - any_class)
        np.testing.assert_allclose(drawn, expected, atol=1e-4)

    model, label, how = Gaussian(means, 0.3), jnp.ones(50, int), {"side": 20, "steps": 100}
    drawn = diffusion.sample(model, jax.random.key(7), label, guidance=1.0, **how)
    spread = np.asarray(drawn - means[1])
    assert abs(spread.mean()) < 0.01
    assert spread.std() == pytest.approx(0.3, rel=0.05)


def test_the_linear_guess_is_the_best() -> None:
    """A regression on drawn noise, pixel by pixel, finds no better one."""
    numbers = np.random.default_rng(8)
    x = numbers.normal(0.2, [0.05, 0.4, 1.0], (100_000, 3)).reshape(-1, 1, 3)
    found = []
    for angle in np.pi / 2 * (np.arange(50) + 0.5) / 50:
        noise = numbers.normal(size=x.shape)
        z, v = (
            f - f.mean(axis=0)
            for f in (
                np.cos(angle) * x + np.sin(angle) * noise,
                np.cos(angle) * noise - np.sin(angle) * x,
            )
        )
        slope = (z * v).mean(axis=0) / (z**2).mean(axis=0)
        found.append(((v - slope * z) ** 2).mean())
    found = np.reshape(found, (5, -1)).mean(axis=1)
    np.testing.assert_allclose(diffusion.linear_losses(x), found, rtol=0.02)


def test_the_verdict_counts_and_measures() -> None:
    numbers = np.random.default_rng(9)
    images, train = numbers.random((4, 3, 3)), numbers.random((7, 3, 3))
    p = np.full((4, 10), 0.005)
    p[[0, 1, 2, 3], [3, 5, 5, 7]] = 1 - 9 * 0.005  # sure of each
    p[1] = np.where(np.arange(10) == 5, 0.55, 0.05)  # but not of this one
    nearest = [min(np.linalg.norm(x - y) for y in train) for x in images]
    judge = pax.Lambda(lambda x: jnp.log(p.astype(np.float32)))
    text = diffusion.verdict(judge, images, np.array([3, 5, 6, 7]), train)  # type: ignore[arg-type]
    assert text == (
        " 75.0% read as their class,  50.0% with p > 0.9; "
        f" {np.mean(nearest):.2f} from the nearest training image"
    )


@pytest.mark.slow
def test_the_average_follows_the_weights() -> None:
    numbers = np.random.default_rng(10)
    x, label = numbers.uniform(-1, 1, (20, 8, 8)).astype(np.float32), np.arange(20) % 10
    model = UNet(8)
    optimizer = pax.optim.Optimizer(optax.sgd(0.1), model)
    ema = pax.EMA(model.parameters(), 0.75)
    step = diffusion.train_step(model, optimizer, ema, jax.random.key(11), x, label)
    old, new = model.head.weight, step[0].head.weight
    assert np.abs(new - old).max() > 0
    np.testing.assert_allclose(step[2].averages.head.weight, 0.75 * old + 0.25 * new, atol=1e-7)


@pytest.mark.slow
def test_drawings_at_full_size(environment: dict[str, str], tmp_path: Path) -> None:
    """A classifier reads them, and they are no copies of images that were seen in training."""
    lines = finish(start(environment, "diffusion", "--output", str(tmp_path))).splitlines()
    losses, guesses = (np.array(lines[i].split()[3:], float) for i in (-7, -6))
    assert (losses < 0.7 * guesses).all()
    judgement = verdicts(lines)
    assert judgement["guidance 1.0"][0] > 80
    assert judgement["guidance 2.0"][0] > 95
    assert judgement["guidance 1.0"][2] > 0.9 * judgement["test images"][2]
