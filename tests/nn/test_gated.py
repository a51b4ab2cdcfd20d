"""Gated dense layers, and the rectifier with trained slopes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

X = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("make", "activation"),
    [(pax.GLU, jax.nn.sigmoid), (pax.SwiGLU, jax.nn.silu), (pax.GeGLU, jax.nn.gelu)],
)
def test_the_first_columns_are_the_value_and_the_last_the_gate(make: Any, activation: Any) -> None:
    layer = make(3, 5, b_init=pax.initializers.normal(1.0))
    value = X @ np.asarray(layer.weight[:, :5]) + np.asarray(layer.bias)[None, :5]
    gate = X @ np.asarray(layer.weight[:, 5:]) + np.asarray(layer.bias)[None, 5:]
    np.testing.assert_allclose(layer(X), value * np.asarray(activation(gate)), rtol=1e-4, atol=1e-5)


def test_the_activation_may_be_another() -> None:
    layer = pax.GLU(3, 2, with_bias=False, activation=jax.nn.relu)
    value, gate = np.split(X @ np.asarray(layer.weight), 2, axis=1)
    np.testing.assert_allclose(layer(X), value * np.maximum(gate, 0), rtol=1e-5, atol=1e-6)


def test_first_weights_have_the_variance_of_a_dense_layer() -> None:
    layer = pax.SwiGLU(100, 300, rng_key=jax.random.key(0))
    assert layer.weight.shape == (100, 600)
    assert abs(float(layer.weight.var()) * 100 - 1) < 0.05
    np.testing.assert_array_equal(layer.bias, np.zeros(600))


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 1, 3)], ids=str)
def test_edge_shapes(shape: tuple[int, ...]) -> None:
    assert pax.GeGLU(3, 2)(jnp.zeros(shape)).shape == (*shape[:-1], 2)


def test_slopes_start_at_a_quarter() -> None:
    np.testing.assert_array_equal(pax.PReLU()(X), np.where(X > 0, X, X / 4))
    np.testing.assert_array_equal(pax.PReLU(3).weight, [0.25] * 3)


def test_slopes_of_channels_that_come_first() -> None:
    slopes = np.float32([0.5, 0.0, 2.0])
    layer = pax.PReLU(3, lambda key, shape: slopes, data_format="NC...")
    x = np.random.default_rng(1).standard_normal((2, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(layer(x), np.where(x > 0, x, slopes[:, None] * x), rtol=1e-6)


def test_printed_forms() -> None:
    assert repr(pax.GLU(3, 4)) == "GLU(in_dim=3, out_dim=4, with_bias=True)"
    assert repr(pax.GeGLU(3, 4, name="g")) == "(g) GeGLU(in_dim=3, out_dim=4, with_bias=True)"
    assert repr(pax.PReLU()) == "PReLU(num_channels=1, data_format=N...C)"


@each(
    Bad(
        lambda: pax.SwiGLU(3, 0),
        pax.ArgumentError,
        "SwiGLU got out_dim=0; expected an integer of at least 1.",
        "set out_dim to a positive integer.",
    ),
    Bad(
        lambda: pax.GLU(3, 4, activation="relu"),
        pax.ArgumentError,
        "GLU got activation of type str, which cannot be called.",
        "pass a function of an array: activation=jax.nn.silu.",
    ),
    Bad(
        lambda: pax.GLU(3, 4, w_init=lambda key, shape: jnp.zeros((3, 4))),
        pax.ArgumentError,
        "GLU got an array of shape (3, 4) from w_init; expected (3, 8).",
        "let w_init return an array of the shape that it is given: w_init(rng_key, shape).",
    ),
    Bad(
        lambda: pax.GLU(4, 4),
        pax.ShapeError,
        "GLU(in_dim=4, out_dim=4, with_bias=True) got input of shape (4, 3); expected (..., 4).",
        "the layer before gives 3 features; build this one with in_dim=3.",
        (X,),
    ),
    Bad(
        lambda: pax.GLU(3, 4),
        pax.DtypeError,
        "GLU(in_dim=3, out_dim=4, with_bias=True) got input of dtype int32; expected a floating "
        "dtype.",
        "convert it first: x.astype(jnp.float32).",
        (X.astype(np.int32),),
    ),
    Bad(
        lambda: pax.PReLU(0),
        pax.ArgumentError,
        "PReLU got num_channels=0; expected an integer of at least 1.",
        "set num_channels to a positive integer.",
    ),
    Bad(
        lambda: pax.PReLU(data_format="NHWC"),
        pax.ArgumentError,
        "PReLU got data_format='NHWC'; expected one of 'N...C', 'NC...'.",
        "write data_format='N...C'.",
    ),
    Bad(
        lambda: pax.PReLU(4),
        pax.ShapeError,
        "PReLU(num_channels=4, data_format=N...C) got input of shape (4, 3); expected 4 channels, "
        "N...C.",
        "build it with the num_channels and data_format of the input.",
        (X,),
    ),
    Bad(
        lambda: pax.PReLU(4, data_format="NC..."),
        pax.ShapeError,
        "PReLU(num_channels=4, data_format=NC...) got input of shape (4,); expected 4 channels, "
        "NC....",
        "build it with the num_channels and data_format of the input.",
        (X[:, 0],),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
