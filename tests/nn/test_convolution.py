"""Convolutions: numbers by hand, weights, edges, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax

KERNEL = jnp.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)
X = jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)


def by_hand(**options: Any) -> pax.Conv1D:
    """Returns a convolution with a kernel whose digits can be told apart."""
    layer = pax.Conv1D(1, 1, 3, **options)
    return layer.replace(weight=KERNEL, bias=jnp.array([0.5]))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [210.5, 321.5, 432.5, 43.5]),
        ({"padding": "VALID"}, [321.5, 432.5]),
        ({"padding": "valid"}, [321.5, 432.5]),
        ({"padding": [(2, 0)]}, [100.5, 210.5, 321.5, 432.5]),
        ({"padding": ([0, 1],)}, [321.5, 432.5, 43.5]),
        ({"stride": 2}, [321.5, 43.5]),
        ({"stride": [3]}, [210.5, 43.5]),
        ({"rate": (2,)}, [310.5, 420.5, 31.5, 42.5]),
        ({"rate": 2, "padding": [(0, 2)]}, [31.5, 42.5]),
    ],
    ids=str,
)
def test_by_hand(options: dict[str, Any], expected: list[float]) -> None:
    np.testing.assert_array_equal(by_hand(**options)(X).ravel(), expected)


def test_channels_first_by_hand() -> None:
    y = by_hand(data_format="NCW")(X.reshape(1, 1, 4))
    np.testing.assert_array_equal(y, [[[210.5, 321.5, 432.5, 43.5]]])


def test_groups_by_hand() -> None:
    layer = pax.Conv1D(2, 4, 1, feature_group_count=2, with_bias=False)
    layer = layer.replace(weight=jnp.array([[[1.0, 2.0, 3.0, 4.0]]]))
    np.testing.assert_array_equal(layer(jnp.array([[[1.0, 10.0]]])), [[[1, 2, 30, 40]]])


def test_two_axes_by_hand() -> None:
    layer = pax.Conv2D(1, 1, (1, 2), padding="VALID")
    layer = layer.replace(weight=jnp.array([1.0, 10.0]).reshape(1, 2, 1, 1), bias=jnp.array([0.5]))
    y = layer(jnp.arange(6.0).reshape(1, 2, 3, 1))
    np.testing.assert_array_equal(y[0, :, :, 0], [[10.5, 21.5], [43.5, 54.5]])


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_shapes_of_the_arrays(data_format: str) -> None:
    layer = pax.Conv2D(6, 4, (3, 2), data_format=data_format, feature_group_count=2)
    assert layer.weight.shape == (3, 2, 3, 4)
    assert layer.bias is not None
    assert layer.bias.shape == (4,)
    assert pax.Conv2D(6, 4, 3, with_bias=False, data_format=data_format).bias is None


def test_initial_values_come_from_the_key() -> None:
    key = jax.random.PRNGKey(3)
    layer = pax.Conv2D(6, 4, (3, 2), feature_group_count=2, rng_key=key)
    # a kernel entry sees 3 * 2 places and 6 / 2 channels
    init = pax.initializers.truncated_normal(18**-0.5)
    np.testing.assert_array_equal(layer.weight, init(key, (3, 2, 3, 4)))
    np.testing.assert_array_equal(layer.bias, np.zeros(4))


def test_own_initial_values() -> None:
    key, init = jax.random.PRNGKey(3), pax.initializers.normal(1.0)
    layer = pax.Conv1D(2, 4, 3, w_init=init, b_init=init, rng_key=key)
    w_key, b_key = jax.random.split(key)
    np.testing.assert_array_equal(layer.weight, init(w_key, (3, 2, 4)))
    np.testing.assert_array_equal(layer.bias, init(b_key, (4,)))


def test_causal_by_hand() -> None:
    assert by_hand(padding="causal")(X).ravel().tolist() == [100.5, 210.5, 321.5, 432.5]
    assert by_hand(padding="CAUSAL", stride=3)(X).ravel().tolist() == [100.5, 432.5]
    layer = pax.ConvND(1, 1, 1, 3, padding="CAUSAL").replace(weight=KERNEL)
    assert layer(X).ravel().tolist() == [100, 210, 321, 432]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("reflect", [212.5, 321.5, 432.5, 343.5]),
        ("replicate", [211.5, 321.5, 432.5, 443.5]),
        ("circular", [214.5, 321.5, 432.5, 143.5]),
    ],
)
def test_padding_modes_by_hand(mode: str, expected: list[float]) -> None:
    assert by_hand(padding_mode=mode)(X).ravel().tolist() == expected


def test_one_class_for_any_number_of_axes() -> None:
    key, options = jax.random.PRNGKey(1), {"stride": 2, "rate": (1, 2, 1)}

    @jax.jit
    def run(x: jax.Array) -> list[jax.Array]:
        fixed = pax.Conv3D(2, 3, (2, 1, 3), rng_key=key, **options)
        free = pax.ConvND(3, 2, 3, (2, 1, 3), rng_key=key, **options)
        first = pax.ConvND(3, 2, 3, (2, 1, 3), rng_key=key, data_format="NC...", **options)
        return [fixed(x), free(x), jnp.moveaxis(first(jnp.moveaxis(x, -1, 1)), 1, -1)]

    y, *others = run(jax.random.normal(key, (2, 4, 3, 5, 2)))
    for other in others:
        np.testing.assert_allclose(other, y, rtol=1e-5, atol=1e-5)


def test_four_axes_by_hand() -> None:
    layer = pax.ConvND(4, 1, 1, (1, 2, 1, 2), padding="VALID")
    layer = layer.replace(weight=jnp.array([1.0, 10.0, 100.0, 1000.0]).reshape(1, 2, 1, 2, 1, 1))
    y = layer(jnp.arange(8.0).reshape(1, 2, 2, 1, 2, 1))
    assert y.shape == (1, 2, 1, 1, 1, 1)
    assert y.ravel().tolist() == [3210, 7654]


def test_edge_shapes() -> None:
    assert by_hand()(X[:0]).shape == (0, 4, 1)
    np.testing.assert_array_equal(by_hand()(X[:, :1]).ravel(), [10.5])
    # a stride beyond the input: one window, for which nothing is padded; and kernels of one
    np.testing.assert_array_equal(by_hand(stride=9)(X).ravel(), [321.5])
    one = pax.Conv2D(2, 3, 1, stride=5)
    assert one(jnp.zeros((1, 1, 1, 2))).shape == (1, 1, 1, 3)


def test_printed_forms() -> None:
    assert repr(pax.Conv1D(3, 4, 5)) == (
        "Conv1D(in_features=3, out_features=4, kernel_shape=(5,), padding=SAME, with_bias=True, "
        "data_format=NWC)"
    )
    assert repr(pax.ConvND(4, 3, 5, 2, padding_mode="reflect")) == (
        "ConvND(num_spatial_dims=4, in_features=3, out_features=5, kernel_shape=(2, 2, 2, 2), "
        "padding=SAME, with_bias=True, data_format=N...C, padding_mode=reflect)"
    )
    layer = pax.Conv2D(
        2, 4, 3, 2, (1, 2), [(1, 1), (0, 2)], False, None, None, "NCHW", 2, name="stem"
    )
    assert repr(layer) == (
        "(stem) Conv2D(in_features=2, out_features=4, kernel_shape=(3, 3), stride=(2, 2), "
        "rate=(1, 2), padding=((1, 1), (0, 2)), with_bias=False, data_format=NCHW, "
        "feature_group_count=2)"
    )
