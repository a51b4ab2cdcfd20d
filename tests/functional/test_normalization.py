"""Normalisation by given or own mean and variance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import ArgumentError, DtypeError, ShapeError
from pax.functional import batch_normalize, group_normalize, layer_normalize, normalize
from tests.functional.messages import message


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape)


#: Each way to normalise x [6, 4, 8] over axes: `run(x, axes, eps, scale, offset)`.
WAYS: dict[str, Callable[..., jax.Array]] = {
    "layer": jax.jit(layer_normalize, static_argnums=(1, 2)),
    "batch": jax.jit(lambda *arguments: batch_normalize(*arguments)[0], static_argnums=(1, 2)),
    "group": jax.jit(
        lambda x, axes, *rest: group_normalize(x, 1, -1, axes, *rest), static_argnums=(1, 2)
    ),
}
each_way = pytest.mark.parametrize("way", WAYS)


def test_given_mean_and_variance() -> None:
    x = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    y = normalize(x, jnp.array([1.0, 2.0]), jnp.array([3.0, 15.0]), 1.0, 2.0, jnp.array([0.0, 7.0]))
    assert y.tolist() == [[0.0, 7.0], [2.0, 8.0]]


def test_batch_normalize_returns_the_statistics_it_used() -> None:
    x = jnp.array([[1.0, 10.0], [3.0, 14.0], [2.0, 12.0]])
    y, mean, variance = batch_normalize(x, [0], 0.0)
    np.testing.assert_allclose(mean, [[2.0, 12.0]], rtol=1e-6)
    np.testing.assert_allclose(variance, [[2 / 3, 8 / 3]], rtol=1e-6)
    np.testing.assert_allclose(y, normalize(x, mean, variance, 0.0), rtol=1e-6)


@each_way
@pytest.mark.parametrize("axes", [(-1,), (2, 0), (0, 1, 2)])
def test_the_formula(way: str, axes: tuple[int, ...]) -> None:
    x, scale, offset = normal(6, 4, 8), normal(1, 4, 1), normal(8)
    deviation = x - x.mean(axes, keepdims=True)
    variance = np.square(deviation).mean(axes, keepdims=True)
    expected = deviation / np.sqrt(variance + 0.1) * scale + offset
    y = WAYS[way](jnp.asarray(x, jnp.float32), axes, 0.1, scale, offset)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    with jax.enable_x64(True):
        y = WAYS[way](x, axes, 0.1, scale, offset)
        assert y.dtype == jnp.float64
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("channel_axis", [pytest.param(1, marks=pytest.mark.slow), -1])
def test_groups_are_runs_of_neighbouring_channels(channel_axis: int) -> None:
    x = normal(2, 6, 5, 6)
    grouped = jax.jit(group_normalize, static_argnums=(1, 2, 3, 4))
    of_channel = (channel_axis % 4,)
    for groups, axes in [
        *((3, axes) for axes in [(1, 2, 3), (2,), of_channel, (0, 1, 2, 3)]),
        *((6, axes) for axes in [(1, 2, 3), of_channel, (0, 2)]),  # each channel by itself
    ]:
        expected = np.concatenate(
            [
                (part - part.mean(axes, keepdims=True))
                / np.sqrt(part.var(axes, keepdims=True) + 1e-3)
                for part in np.split(x, groups, axis=channel_axis)
            ],
            axis=channel_axis,
        )
        y = grouped(jnp.asarray(x, jnp.float32), groups, channel_axis, axes, 1e-3)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@each_way
@pytest.mark.parametrize("mean", [1e4, -1e6])
def test_a_large_mean_costs_no_digits(way: str, mean: float) -> None:
    x = jnp.asarray(normal(6, 4, 8) + mean, jnp.float32)
    exact = np.asarray(x, np.float64)
    for axes in [(0,), (2,), (0, 1)]:
        deviation = exact - exact.mean(axes, keepdims=True)
        expected = deviation / np.sqrt(np.square(deviation).mean(axes, keepdims=True) + 1e-5)
        np.testing.assert_allclose(WAYS[way](x, axes, 1e-5), expected, rtol=1e-5, atol=1e-5)


@each_way
def test_a_million_entries_and_an_outlier_in_front(way: str) -> None:
    x = normal(1, 1 << 20, 1) + 3.0
    x[0, 0, 0] = 1e4
    x = np.asarray(x, np.float32)
    y = WAYS[way](jnp.asarray(x), (1,), 1e-5)
    exact = x.astype(np.float64)
    expected = (exact - exact.mean()) / np.sqrt(exact.var() + 1e-5)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-4)


@each_way
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_is_used_for_the_output_alone(way: str, dtype: Any) -> None:
    x = jnp.asarray(6e4 * np.tanh(normal(6, 4, 8)), dtype)  # squares and sums overflow float16
    parameters = jnp.asarray(normal(2, 8), jnp.float32)
    wide = WAYS[way](x.astype(jnp.float32), (1, 2), 1e-5, *parameters)
    y = WAYS[way](x, (1, 2), 1e-5, *parameters)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.astype(jnp.float32), wide.astype(dtype).astype(jnp.float32))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_statistics_are_float32(dtype: Any) -> None:
    _, mean, variance = batch_normalize(jnp.asarray(normal(4, 3), dtype), [0], 1e-5)
    assert mean.dtype == variance.dtype == jnp.float32
    assert mean.shape == variance.shape == (1, 3)


@each_way
def test_gradient_against_differences(way: str) -> None:
    with jax.enable_x64(True):
        arguments = tuple(map(jnp.asarray, (normal(6, 4, 8), normal(8) + 2, normal(4, 1))))
        weights, directions = normal(8, 4, 6).T, (normal(6, 4, 8) + 1, normal(8), normal(4, 1))

        @jax.jit
        def loss(x: jax.Array, scale: jax.Array, offset: jax.Array) -> jax.Array:
            return (WAYS[way](x, (0, 2), 1e-2, scale, offset) * weights).sum()

        gradients = jax.jit(jax.grad(loss, (0, 1, 2)))(*arguments)
        slope = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))
        step = 1e-6
        ahead = loss(*(a + step * d for a, d in zip(arguments, directions, strict=True)))
        behind = loss(*(a - step * d for a, d in zip(arguments, directions, strict=True)))
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-7)


def test_the_gradient_of_group_normalize_keeps_no_array_of_the_size_of_x() -> None:
    def gradients(x: jax.Array, y: jax.Array, *parameters: jax.Array) -> tuple[jax.Array, ...]:
        def normalized(x: jax.Array, *parameters: jax.Array) -> jax.Array:
            return group_normalize(x, 4, -1, [1, 2, 3], 1e-5, *parameters)

        return jax.vjp(normalized, x, *parameters)[1](y)

    x, y, parameters = jnp.ones((4, 8, 8, 16)), jnp.ones((4, 8, 8, 16)), [jnp.ones(16)] * 2
    memory = jax.jit(gradients).lower(x, y, *parameters).compile().memory_analysis()
    assert memory is not None
    assert memory.temp_size_in_bytes < x.nbytes / 2


@each_way
def test_one_entry_and_none(way: str) -> None:
    y = WAYS[way](jnp.array([[5.0]]), (0,), 1e-5, None, jnp.array([2.0]))
    assert y.tolist() == [[2.0]]
    assert WAYS[way](jnp.ones((0, 3)), (1,), 1e-5).shape == (0, 3)
    assert message(ShapeError, lambda: WAYS[way](jnp.ones((0, 3)), (0,), 1e-5)) == (
        f"{way}_normalize got x of shape (0, 3); there is no entry to average over.\n"
        "  fix: leave empty batches out."
    )


@each_way
def test_errors(way: str) -> None:
    x = jnp.ones((6, 4, 8))
    for axes in [(3,), (), (-4,), (0, 0), (2, -1)]:
        assert message(ArgumentError, lambda a=axes: WAYS[way](x, a, 1e-5)) == (
            f"{way}_normalize got axes {axes} for x of rank 3.\n"
            "  fix: name at least one axis of x, each once."
        )
    assert message(ShapeError, lambda: WAYS[way](x, (0,), 1e-5, jnp.ones((4,)))) == (
        f"{way}_normalize got scale of shape (4,) for x of shape (6, 4, 8); expected a shape "
        "that broadcasts to that of x.\n"
        "  fix: reshape scale so that each axis, counted from the last, is 1 or that of x."
    )
    # broadcasting must not enlarge x either
    for offset in (jnp.ones((1, 6, 4, 8)), jnp.ones((1, 1, 16))):
        assert message(ShapeError, lambda o=offset: WAYS[way](x, (0,), 1e-5, None, o)) == (
            f"{way}_normalize got offset of shape {offset.shape} for x of shape (6, 4, 8); "
            "expected a shape that broadcasts to that of x.\n"
            "  fix: reshape offset so that each axis, counted from the last, is 1 or that of x."
        )
    assert message(DtypeError, lambda: WAYS[way](jnp.arange(4), (0,), 1e-5)) == (
        f"{way}_normalize got x of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. x.astype(jnp.float32)."
    )


def test_errors_of_groups() -> None:
    x = jnp.ones((2, 8))
    assert message(ArgumentError, lambda: group_normalize(x, 2, 2, [1], 1e-5)) == (
        "group_normalize got channel_axis=2 for x of rank 2.\n  fix: name one of the axes of x."
    )
    for groups in (0, 3):
        assert message(ArgumentError, lambda g=groups: group_normalize(x, g, 1, [1], 1e-5)) == (
            f"group_normalize got groups={groups} for 8 channels.\n"
            "  fix: choose a number of groups that divides the number of channels."
        )
