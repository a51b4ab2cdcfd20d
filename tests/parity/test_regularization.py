"""Parity of what is random: torch draws other masks, so that the form of each output is compared.

DropBlock has no counterpart in torch: its statement is a loop over the blocks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import pax
from tests.parity.compare import assert_close, normal
from tests.parity.functions import assert_like_jax


def coefficients(x: np.ndarray, y: np.ndarray, gradient: np.ndarray) -> tuple[float, ...]:
    """Returns a, b, c of an output that is a x + b at what is kept, and c at what is dropped."""
    dropped = gradient == 0
    assert 0 < dropped.mean() < 1
    a = only(gradient[~dropped])
    return a, only((y - a * x)[~dropped]), only(y[dropped])


def only(values: np.ndarray) -> float:
    """Returns the one number that all of these are."""
    np.testing.assert_allclose(values, values[0], rtol=0, atol=1e-12)
    return float(values[0])


def of_torch(layer: torch.nn.Module, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns output and gradient of a layer of torch."""
    tensor = torch.tensor(x, requires_grad=True)
    y = layer(tensor)
    y.sum().backward()
    return y.detach().numpy(), tensor.grad.numpy()


def of_pax(layer: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns output and gradient of one of our layers."""
    with jax.enable_x64(True):
        run = jax.jit(lambda layer, x: jax.vjp(lambda x: pax.purecall(layer, x)[1], x))
        y, pull = run(layer, jnp.asarray(x))
        return np.asarray(y), np.asarray(pull(jnp.ones_like(y))[0])


@pytest.mark.parametrize("rate", [0.6, pytest.param(0.1, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("ours", "torchs"),
    [
        (pax.Dropout, torch.nn.Dropout),
        (pax.AlphaDropout, torch.nn.AlphaDropout),
    ],
    ids=["Dropout", "AlphaDropout"],
)
def test_elements(ours: Any, torchs: Any, rate: float) -> None:
    x = normal(40, 50)
    found = coefficients(x, *of_pax(ours(rate), x))
    np.testing.assert_allclose(found, coefficients(x, *of_torch(torchs(rate), x)), atol=1e-10)


@pytest.mark.parametrize(
    "n", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
def test_channels(n: int) -> None:
    x = normal(20, 10, *(4, 3, 2)[:n])
    torchs = (torch.nn.Dropout1d, torch.nn.Dropout2d, torch.nn.Dropout3d)[n - 1]
    results = of_pax(pax.SpatialDropout(0.4, data_format="NC..."), x), of_torch(torchs(0.4), x)
    found, expected = (coefficients(x, *result) for result in results)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    for _, gradient in results:  # whole channels, in both
        assert (gradient == gradient.reshape(20, 10, -1)[..., :1].reshape(20, 10, *[1] * n)).all()


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((2, 6, 5, 3), 2),
        *(
            pytest.param(*given, marks=pytest.mark.slow)
            for given in (((2, 6, 5, 3), 3), ((3, 7, 2), 2))
        ),
    ],
    ids=str,
)
def test_drop_block(shape: tuple[int, ...], size: int) -> None:
    key, rate, space = jax.random.PRNGKey(4), 0.4, shape[1:-1]
    corners = [n - size + 1 for n in space]
    share = rate / size ** len(space) * np.prod(space) / np.prod(corners)

    def statement() -> Callable[[Any], Any]:
        drawn = np.asarray(jax.random.bernoulli(key, share, (shape[0], *corners, shape[-1])))
        kept = np.ones(shape)
        for at in itertools.product(*map(range, corners)):
            block = (slice(None), *(slice(i, i + size) for i in at))
            hit = drawn[(slice(None), *at)].reshape(shape[0], *[1] * len(space), shape[-1])
            kept[block] *= 1 - hit
        assert 0 < kept.sum() < kept.size
        return lambda x: x * kept * kept.size / kept.sum()

    with jax.enable_x64(True):
        expected = statement()
    assert_like_jax(
        lambda x: pax.functional.drop_block(key, rate, size, x), expected, [normal(*shape)]
    )


@pytest.mark.slow
def test_noise() -> None:
    key = jax.random.PRNGKey(4)
    with jax.enable_x64(True):
        noise = np.asarray(jax.random.normal(key, (6, 5)))
    assert noise.dtype == np.float64
    assert_like_jax(
        lambda x: pax.functional.gaussian_noise(key, 0.7, x),
        lambda x: x + 0.7 * noise,
        [normal(6, 5)],
    )


@pytest.mark.slow
def test_the_gradient_of_drop_path_is_that_of_the_kept_samples() -> None:
    x = normal(30, 4)
    y, gradient = of_pax(pax.DropPath(0.25), x)
    a, b, c = coefficients(x, y, gradient)
    assert_close(np.array([a, b, c]), np.array([1 / 0.75, 0.0, 0.0]))
    assert ((gradient == 0).all(axis=1) == (gradient == 0).any(axis=1)).all()
