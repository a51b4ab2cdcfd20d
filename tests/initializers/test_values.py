"""The drawn numbers have the moments that the formulas say; objects behave as values."""

from __future__ import annotations

import copy
import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
