"""Activations: values, what is kept for the backward pass, derivatives, errors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax.functional as F
from pax import ArgumentError, DtypeError, ShapeError
from tests.functional.messages import message

X = jnp.asarray(np.random.default_rng(0).standard_normal((8, 16)), jnp.float32)


@pytest.mark.parametrize("approximate", [True, False])
def test_gelu_is_that_of_jax_in_all_derivatives(approximate: bool) -> None:
    ours, theirs = (partial(f, approximate=approximate) for f in (F.gelu, jax.nn.gelu))

    @partial(jax.jit, static_argnums=0)
    def derivatives(f: Callable[..., Any], x: jax.Array) -> Any:
        slope = jax.grad(f)
        forward = jax.jvp(f, (x,), (x,))
        return f(x), forward, jax.vmap(slope)(x), jax.vmap(jax.grad(slope))(x)

    found, expected = (derivatives(f, jnp.linspace(-6, 6, 25)) for f in (ours, theirs))
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


def kept(f: Callable[..., Any]) -> int:
    """Returns how many numbers `jax.vjp` keeps for the backward pass."""
    return sum(x.size for x in jax.tree.leaves(jax.eval_shape(lambda x: jax.vjp(f, x)[1], X)))


def test_nothing_but_the_input_is_kept() -> None:
    assert kept(F.gelu) == X.size < kept(jax.nn.gelu)
    assert kept(partial(F.gelu, approximate=False)) == X.size
    assert kept(partial(F.glu, activation=jax.nn.silu)) == X.size


def test_a_compiled_step_takes_no_more_memory_than_with_relu() -> None:
    def temporary_bytes(f: Callable[..., Any]) -> int:
        def loss(w: jax.Array, x: jax.Array) -> jax.Array:
            for _ in range(4):
                x = f(x @ w)
            return (x * x).sum()

        compiled = jax.jit(jax.grad(loss)).lower(jnp.ones((64, 64)), jnp.ones((128, 64))).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    of_relu = temporary_bytes(jax.nn.relu)
    assert temporary_bytes(F.gelu) <= of_relu < temporary_bytes(jax.nn.gelu)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_glu(axis: int) -> None:
    a, b = np.split(np.asarray(X), 2, axis)
    np.testing.assert_allclose(F.glu(X, axis), a / (1 + np.exp(-b)), rtol=1e-5)
    np.testing.assert_allclose(F.glu(X, axis, activation=jnp.square), a * b**2, rtol=1e-5)


def test_prelu() -> None:
    x = np.asarray(X).reshape(2, 4, 16)
    for slope, channels, options in (
        (np.float32([0.3]), np.float32(0.3), {}),
        (np.arange(16, dtype=np.float32), np.arange(16, dtype=np.float32), {}),
        (
            np.arange(4, dtype=np.float32),
            np.arange(4, dtype=np.float32)[:, None],
            {"data_format": "NC..."},
        ),
    ):
        expected = np.where(x > 0, x, channels * x)
        np.testing.assert_allclose(F.prelu(x, slope, **options), expected, rtol=1e-6)


def test_the_derivative_of_prelu_at_0_is_the_slope() -> None:
    assert jax.grad(F.prelu)(jnp.float32(0), jnp.array([0.3])) == jnp.float32(0.3)


@pytest.mark.parametrize("shape", [(), (0,), (1, 0, 4)], ids=str)
def test_edge_shapes(shape: tuple[int, ...]) -> None:
    assert F.gelu(jnp.zeros(shape)).shape == shape
    assert F.prelu(jnp.zeros(shape), jnp.ones(1)).shape == shape
    if shape:
        assert F.glu(jnp.zeros(shape)).shape == (*shape[:-1], shape[-1] // 2)


@pytest.mark.parametrize(
    ("error", "call", "text"),
    [
        (
            ArgumentError,
            lambda: F.gelu(X, approximate="tanh"),
            "gelu got approximate of type str; expected True or False.\n"
            "  fix: write approximate=True, and name the arguments after it.",
        ),
        (
            DtypeError,
            lambda: F.gelu(jnp.arange(3)),
            "gelu got x of dtype int32; expected a floating dtype.\n"
            "  fix: convert it first, e.g. x.astype(jnp.float32).",
        ),
        (
            ShapeError,
            lambda: F.glu(X[:, :3]),
            "glu got x of shape (8, 3) and axis=-1; expected an even size along it.\n"
            "  fix: let the layer before give twice as many features as are wanted.",
        ),
        (
            ShapeError,
            lambda: F.glu(X, 2),
            "glu got x of shape (8, 16) and axis=2; expected an even size along it.\n"
            "  fix: let the layer before give twice as many features as are wanted.",
        ),
        (
            ArgumentError,
            lambda: F.glu(X, (0, 1)),
            "glu got axis=(0, 1); expected an integer.\n  fix: write axis=1.",
        ),
        (
            ArgumentError,
            lambda: F.glu(X, activation="silu"),
            "glu got activation of type str, which cannot be called.\n"
            "  fix: pass a function of an array: activation=jax.nn.silu.",
        ),
        (
            ArgumentError,
            lambda: F.prelu(X, jnp.ones(1), data_format="NCHW"),
            "prelu got data_format='NCHW'; expected 'N...C' or 'NC...'.\n"
            "  fix: write data_format='N...C' where the channels are the last axis.",
        ),
        (
            ShapeError,
            lambda: F.prelu(X, jnp.float32(0.3)),
            "prelu got slope of shape (); expected (channels,) or (1,).\n"
            "  fix: give one slope for each channel of x, or a single one for all.",
        ),
        (
            ShapeError,
            lambda: F.prelu(X, jnp.ones(8)),
            "prelu got x of shape (8, 16), N...C, and slope of shape (8,); expected 8 channels.\n"
            "  fix: give one slope for each channel of x, or a single one for all.",
        ),
    ],
)
def test_errors(error: type[Exception], call: Any, text: str, unchecked: None) -> None:
    assert message(error, call) == text
