"""The drawn numbers have the moments that the formulas say; objects behave as values."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from scipy.special import ndtr

import pax.initializers as init

SHAPE = (3, 3, 64, 128)
COUNT = math.prod(SHAPE)
FAN_IN, FAN_OUT = 9 * 64, 9 * 128

#: Initializer, its variance, its bound (None: unbounded) and the fourth moment over variance^2.
MOMENTS = {
    "normal": (init.normal(0.3), 0.09, None, 3.0),
    "he_uniform": (init.he_uniform(), 2 / FAN_IN, math.sqrt(6 / FAN_IN), 1.8),
    "lecun_uniform": (init.lecun_uniform(), 1 / FAN_IN, math.sqrt(3 / FAN_IN), 1.8),
    "glorot_uniform": (
        init.glorot_uniform(),
        2 / (FAN_IN + FAN_OUT),
        math.sqrt(6 / (FAN_IN + FAN_OUT)),
        1.8,
    ),
    "truncated_normal": (init.truncated_normal(0.5), 0.25 * 0.7737413, 1.0, 2.4),
    "lecun_normal": (init.lecun_normal(), 1 / FAN_IN, 2.2739 / math.sqrt(FAN_IN), 2.4),
    "he_normal": (init.he_normal(), 2 / FAN_IN, 2.2739 * math.sqrt(2 / FAN_IN), 2.4),
    "kaiming_uniform, as torch": (
        init.kaiming_uniform(a=math.sqrt(5)),
        1 / (3 * FAN_IN),
        1 / math.sqrt(FAN_IN),
        1.8,
    ),
    "kaiming_uniform, fan_out": (
        init.kaiming_uniform(a=0.1, mode="fan_out"),
        2 / (1.01 * FAN_OUT),
        math.sqrt(6 / (1.01 * FAN_OUT)),
        1.8,
    ),
    "kaiming_normal": (
        init.kaiming_normal(a=2.0),
        0.4 / FAN_IN,
        2.2739 * math.sqrt(0.4 / FAN_IN),
        2.4,
    ),
    "uniform_between": (init.uniform_between(-0.5, 0.5), 1 / 12, 0.5, 1.8),
    "fan_out normal": (
        init.variance_scaling(1.0, "fan_out", "normal"),
        1 / FAN_OUT,
        None,
        3.0,
    ),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_moments(name: str) -> None:
    initializer, variance, bound, kurtosis = MOMENTS[name]
    drawn = np.asarray(initializer(jax.random.key(11), SHAPE), np.float64)
    five_sigma_of_mean = 5 * math.sqrt(variance / COUNT)
    five_sigma_of_variance = 5 * variance * math.sqrt((kurtosis - 1) / COUNT)
    assert abs(drawn.mean()) < five_sigma_of_mean
    assert abs(drawn.var() - variance) < five_sigma_of_variance
    if bound is not None:
        assert 0.999 * bound < np.abs(drawn).max() <= bound * (1 + 1e-4)


def cut_normal(x: np.ndarray) -> np.ndarray:
    """The distribution function of a standard normal cut off at -2 and 2."""
    return np.clip((ndtr(x) - ndtr(-2)) / (ndtr(2) - ndtr(-2)), 0, 1)


#: Initializer for SHAPE, and the distribution function of what it draws.
DISTRIBUTIONS: dict[str, tuple[init.Initializer, Callable[[np.ndarray], np.ndarray]]] = {
    "normal": (init.normal(0.3), lambda x: ndtr(x / 0.3)),
    "uniform": (init.uniform(2.0), lambda x: np.clip(x / 2, 0, 1)),
    "uniform_between": (init.uniform_between(-1, 3), lambda x: np.clip((x + 1) / 4, 0, 1)),
    "truncated_normal": (init.truncated_normal(0.5), lambda x: cut_normal(x / 0.5)),
    "lecun_normal": (
        init.lecun_normal(),
        lambda x: cut_normal(x * math.sqrt(FAN_IN) * 0.87962566103423978),
    ),
    "kaiming_uniform": (
        init.kaiming_uniform(a=math.sqrt(5)),
        lambda x: np.clip((x * math.sqrt(FAN_IN) + 1) / 2, 0, 1),
    ),
    "he_normal": (
        init.he_normal(),
        lambda x: cut_normal(x * math.sqrt(FAN_IN / 2) * 0.87962566103423978),
    ),
    "glorot_uniform": (
        init.glorot_uniform(),
        lambda x: np.clip((x * math.sqrt((FAN_IN + FAN_OUT) / 6) + 1) / 2, 0, 1),
    ),
}


def distance(drawn: np.ndarray, law: Callable[[np.ndarray], np.ndarray]) -> float:
    """Returns the statistic of Kolmogorov and Smirnov, sqrt(n) times the largest distance."""
    at, n = law(np.sort(drawn.reshape(-1))), drawn.size
    steps = np.arange(n + 1) / n
    return math.sqrt(n) * max((steps[1:] - at).max(), (at - steps[:-1]).max())


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution(name: str) -> None:
    initializer, law = DISTRIBUTIONS[name]
    drawn = np.asarray(initializer(jax.random.key(11), SHAPE), np.float64)
    assert distance(drawn, law) < 1.95  # one in a thousand goes beyond
    assert distance(drawn * 1.02, law) > 1.95  # what the test can see


def test_uniform_starts_at_zero() -> None:
    drawn = init.uniform(3.0)(jax.random.key(0), (100_000,))
    assert 0 <= drawn.min() < 0.001
    assert 2.999 < drawn.max() < 3
    assert abs(drawn.mean() - 1.5) < 0.015


def test_blocks_do_not_repeat() -> None:
    drawn = np.asarray(init.normal()(jax.random.key(0), (500_000,)))
    assert len(np.unique(drawn[: 2**17].reshape(2, -1), axis=0)) == 2
    assert abs(np.corrcoef(drawn[: 2**16], drawn[2**16 : 2**17])[0, 1]) < 0.02


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 2, 5)], ids=str)
def test_orthogonal(shape: tuple[int, ...]) -> None:
    drawn = np.asarray(init.orthogonal(2.0)(jax.random.key(0), shape))
    matrix = drawn.reshape(-1, shape[-1])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


def test_delta_orthogonal() -> None:
    drawn = np.array(init.delta_orthogonal(2.0)(jax.random.key(0), (3, 5, 4, 6)))
    centre = drawn[1, 2]
    np.testing.assert_allclose(centre @ centre.T, 4 * np.eye(4), atol=1e-5)
    drawn[1, 2] = 0
    assert not drawn.any()


@pytest.mark.parametrize("shape", [(4, 4), (2, 5), (5, 2), (0, 3), (1, 1)], ids=str)
def test_identity(shape: tuple[int, int]) -> None:
    np.testing.assert_array_equal(init.identity(-0.5)(None, shape), -0.5 * np.eye(*shape))
    assert init.identity()(None, shape, jnp.int8).dtype == jnp.int8


@pytest.mark.parametrize("kernel", [(3,), (4,), (2, 5), (1, 1), (3, 2, 3)], ids=str)
@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_is_what_a_convolution_leaves_alone(kernel: tuple[int, ...], groups: int) -> None:
    w = init.dirac(3.0, feature_group_count=groups)(None, (*kernel, 4 // groups, 4))
    x = np.random.default_rng(0).standard_normal((2, *(4 for _ in kernel), 4)).astype(np.float32)
    letters = "DHW"[-len(kernel) :]
    layout = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    y = jax.lax.conv_general_dilated(
        x,
        w,
        [1] * len(kernel),
        "SAME",
        dimension_numbers=layout,
        feature_group_count=groups,
    )
    np.testing.assert_array_equal(y, 3 * x)


@pytest.mark.parametrize("shape", [(4, 4, 3), (2, 6, 3), (6, 2, 5, 3)], ids=str)
@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_is_that_of_torch(shape: tuple[int, ...], groups: int) -> None:
    """Its shapes are [outputs, inputs, spatial ...]."""
    expected = torch.nn.init.dirac_(torch.empty(shape), groups).numpy()
    outputs, inputs, *kernel = shape
    found = init.dirac(feature_group_count=groups)(None, (*kernel, inputs, outputs))
    np.testing.assert_array_equal(np.transpose(found, (-1, -2, *range(len(kernel)))), expected)


def test_sparse() -> None:
    key = jax.random.key(7)
    for shape, sparsity, zeros in [((100, 50), 0.07, 7), ((7, 3), 0.5, 4), ((5, 2), 0.0, 0)]:
        drawn = np.asarray(init.sparse(sparsity, 0.5)(key, shape))
        np.testing.assert_array_equal((drawn == 0).sum(axis=0), zeros)
    drawn = np.asarray(init.sparse(0.9, 0.5)(key, (300, 4000)), np.float64)
    assert distance(drawn[drawn != 0], lambda x: ndtr(x / 0.5)) < 1.95
    by_input = (drawn != 0).mean(axis=1)  # each input is as likely as any other
    assert np.abs(by_input - 0.1).max() < 5 * math.sqrt(0.1 * 0.9 / 4000)


def test_sparse_on_the_device_of_its_key() -> None:
    key, device = jax.random.key(7), jax.devices()[3]
    drawn = init.sparse(0.5)(key, (8, 6))
    there = init.sparse(0.5)(jax.device_put(key, device), (8, 6))
    assert there.devices() == {device}
    np.testing.assert_allclose(there, drawn, rtol=1e-6)


def test_torch_defaults() -> None:
    """The laws of the first weights and biases of torch's layers, with our fans."""
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(6, 8, (3, 5), groups=2)
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    fan_in = 3 * 5 * 6 // 2
    ours = init.kaiming_uniform(a=math.sqrt(5))(jax.random.key(0), (3, 5, 3, 80))
    assert 0.95 / math.sqrt(fan_in) < np.abs(weight).max() <= 1 / math.sqrt(fan_in)
    assert 0.99 / math.sqrt(fan_in) < np.abs(ours).max() <= 1 / math.sqrt(fan_in)
    assert np.abs(bias).max() <= 1 / math.sqrt(fan_in)


def test_values_compare_hash_and_pickle() -> None:
    a, b = init.he_normal(in_axis=[0, 1]), init.he_normal(in_axis=(0, 1))
    assert a == b
    assert hash(a) == hash(b)
    assert a != init.he_normal()
    assert pickle.loads(pickle.dumps(a)) == a
    assert copy.deepcopy(a) == a
    assert init.normal(np.float32(0.5)) == init.normal(0.5)
    for function in (init.zeros, init.ones):
        assert pickle.loads(pickle.dumps(function)) is function


@pytest.mark.parametrize(
    "initializer",
    [init.normal(), init.uniform(), init.constant(1), init.orthogonal(), init.glorot_normal()],
)
def test_they_are_initializers(initializer: init.Initializer) -> None:
    assert isinstance(initializer, init.Initializer)
    assert initializer(jax.random.key(0), (3, 3)).dtype == jnp.float32


@pytest.mark.parametrize("draw", [init.orthogonal(2.0), init.delta_orthogonal(2.0)])
def test_orthogonal_in_half_precision_is_float32_rounded(draw: Any) -> None:
    for dtype in (jnp.bfloat16, jnp.float16):
        found = draw(jax.random.key(0), (1, 3, 3), dtype)
        wide = draw(jax.random.key(0), (1, 3, 3), jnp.float32)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, wide.astype(dtype))
