"""The autoencoder's bound is a bound, its baseline is what it says, and its program runs."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from examples import vae
from examples.images import load_data
from tests.examples.program import finish, png_size, start

#: The quick suite has six minutes; these run with `make test-all`.
pytestmark = pytest.mark.slow

NUMBER = r"(-?\d+\.\d\d)"
EPOCH = re.compile(
    rf"epoch +(\d+)  ELBO: training {NUMBER}, "
    rf"test {NUMBER} = {NUMBER} \(pixels\) - {NUMBER} \(code\)"
)


@pytest.mark.slow
def test_the_program_reports_the_bound_beside_the_baseline(
    environment: dict[str, str], tmp_path: Path
) -> None:
    small = ["--epochs", "3", "--batch-size", "25", "--hidden", "128", "--code", "8", "--seed", "5"]
    output = finish(start(environment, "vae", *small, "--output", str(tmp_path)))
    first, *lines, picture = output.splitlines()
    matches = [EPOCH.fullmatch(line) for line in lines]
    assert [match and match[1] for match in matches] == ["1", "2", "3"]
    train, test, pixels, code = (float(x) for x in matches[-1].groups()[1:])  # type: ignore[union-attr]
    assert abs(pixels - code - test) < 0.02
    assert code > 0

    found = re.fullmatch(rf"baseline, independent pixels: {NUMBER}", first)
    (grey, _), (test_grey, _) = load_data("mnist")
    p = (grey.astype(float).sum(axis=0) + 0.5) / (len(grey) + 1)
    expected = test_grey * np.log(p) + (1 - test_grey) * np.log(1 - p)  # over all drawings
    assert found and abs(float(found[1]) - expected.sum(axis=(1, 2)).mean()) < 1
    assert test > float(found[1]) + 10
    assert train > float(matches[0][2]) + 10  # type: ignore[index]

    assert picture == f"picture: {tmp_path / 'vae-mnist.png'}"
    width, height = png_size(tmp_path / "vae-mnist.png")
    assert 600 < width < 1000
    assert 200 < height < 400


@pytest.fixture
def model() -> vae.VAE:
    return vae.VAE(pixels=6, hidden=7, code=2)


def log_normal(x: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    return (-(((x - mean) / std) ** 2) / 2 - np.log(std) - np.log(2 * np.pi) / 2).sum(axis=-1)


def test_both_terms_are_those_of_the_formula(model: vae.VAE) -> None:
    """Against averages over many codes, by the definitions."""
    x = np.array([0.0, 1, 1, 0, 1, 0], np.float32)
    pixels, code = pax.purecall(model, jnp.broadcast_to(x, (20_000, 6)))[1]
    mean, log_std = np.split(np.asarray(model.encoder(x), float), 2)
    z = mean + np.exp(log_std) * np.random.default_rng(1).normal(size=(20_000, 2))
    ratio = log_normal(z, mean, np.exp(log_std)) - log_normal(z, 0 * mean, 1 + 0 * mean)
    np.testing.assert_allclose(code, np.full(20_000, code[0]), rtol=1e-6)
    assert abs(code[0] - ratio.mean()) < 5 * ratio.std() / 20_000**0.5

    logits = np.asarray(model.decoder(z.astype(np.float32)), float)
    log_likelihood = (x * logits - np.logaddexp(0, logits)).sum(axis=-1)
    error = 7 * log_likelihood.std() / 20_000**0.5  # five deviations of a difference of two means
    assert abs(pixels.mean() - log_likelihood.mean()) < error
    assert abs(pixels.std() / log_likelihood.std() - 1) < 0.1


def test_the_bound_is_below_the_log_likelihood(model: vae.VAE) -> None:
    """A code of two numbers can be integrated over: here on a grid."""
    x = np.array([1.0, 0, 1, 0, 0, 0], np.float32)
    pixels, code = pax.purecall(model, jnp.broadcast_to(x, (20_000, 6)))[1]
    line = np.linspace(-8, 8, 321)
    z = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    logits = np.asarray(model.decoder(z.astype(np.float32)), float)
    log_likelihood = (x * logits - np.logaddexp(0, logits)).sum(axis=-1)
    joint = np.exp(log_likelihood + log_normal(z, np.zeros(2), np.ones(2)))
    exact = np.log(joint.sum() * (line[1] - line[0]) ** 2)
    bound = float(pixels.mean() - code.mean())
    assert exact - 2 < bound < exact


def test_the_loss_returns_the_model_with_a_new_key(model: vae.VAE) -> None:
    x = jnp.array([[0.0, 1, 1, 0, 1, 0]])
    loss, ((pixels, code), new_model) = vae.loss_fn(model, x)
    assert float(loss) == pytest.approx(float(code - pixels), rel=1e-6)
    assert pax.assert_structure_equal(model, new_model)
    assert (new_model.rng_seq._rng_key != model.rng_seq._rng_key).any()


def test_ink_has_the_frequency_of_the_grey() -> None:
    grey = np.random.default_rng(2).random((1, 3, 3), np.float32)
    pictures = np.asarray(vae.ink(jax.random.key(3), jnp.broadcast_to(grey, (10_000, 3, 3))))
    assert pictures.shape == (10_000, 9)
    assert set(np.unique(pictures)) == {0.0, 1.0}
    assert np.abs(pictures.mean(axis=0) - grey.ravel()).max() < 0.025


@pytest.mark.slow
def test_the_bound_at_full_size(environment: dict[str, str], tmp_path: Path) -> None:
    output = finish(start(environment, "vae", "--output", str(tmp_path)))
    last = EPOCH.fullmatch(output.splitlines()[-2])
    assert last and float(last[3]) > -105
