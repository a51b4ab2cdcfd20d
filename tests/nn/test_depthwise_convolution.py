"""Depthwise and separable convolutions: numbers by hand, parts, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

X = jnp.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])[None]  # [1, 3, 2]


def test_each_channel_by_itself() -> None:
    layer = pax.DepthwiseConv1D(2, 2, padding="CAUSAL")
    weight = jnp.array([[1.0, 2.0], [3.0, 4.0]])  # [kernel, channel]
    layer = layer.replace(weight=weight[:, None], bias=jnp.array([0.5, 0.0]))
    np.testing.assert_array_equal(layer(X), [[[3.5, 40], [7.5, 100], [11.5, 160]]])
    first = pax.DepthwiseConv1D(2, 2, padding="CAUSAL", data_format="NCW")
    first = first.replace(weight=weight[:, None], bias=jnp.array([0.5, 0.0]))
    np.testing.assert_array_equal(first(X.swapaxes(1, 2)), layer(X).swapaxes(1, 2))


def test_the_outputs_of_a_channel_are_neighbours() -> None:
    layer = pax.DepthwiseConv1D(2, 1, 3, with_bias=False)
    layer = layer.replace(weight=jnp.array([[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]]))
    assert layer(X[:, :1]).ravel().tolist() == [1, 2, 3, 40, 50, 60]


def test_it_is_a_convolution_in_groups() -> None:
    key, options = jax.random.PRNGKey(0), {"stride": 2, "rate": (2, 1), "padding_mode": "reflect"}
    layer = pax.DepthwiseConv2D(3, (3, 2), 2, rng_key=key, **options)
    grouped = pax.Conv2D(3, 6, (3, 2), feature_group_count=3, rng_key=key, **options)
    # fan_in is that of one channel
    np.testing.assert_array_equal(layer.weight, grouped.weight)
    x = jax.random.normal(key, (2, 5, 6, 3))
    np.testing.assert_array_equal(layer(x), grouped(x))


def test_a_mask_hides_places_of_every_channel() -> None:
    mask = np.array([1, 0], bool).reshape(2, 1, 1)
    layer = pax.DepthwiseConv1D(2, 2, padding="CAUSAL", with_bias=False, mask=mask)
    layer = layer.replace(weight=jnp.array([[[1.0, 2.0]], [[3.0, 4.0]]]))
    np.testing.assert_array_equal(layer(X), [[[0, 0], [1, 20], [2, 40]]])


def test_three_axes_by_hand() -> None:
    layer = pax.DepthwiseConv3D(2, (2, 1, 1), padding="VALID", with_bias=False)
    layer = layer.replace(weight=jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(2, 1, 1, 1, 2))
    y = layer(X[:, :, None, None])
    assert y.shape == (1, 2, 1, 1, 2)
    assert y.ravel().tolist() == [7, 100, 11, 160]


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_a_separable_one_is_its_parts_in_order(data_format: str) -> None:
    options: dict[str, Any] = {"stride": (2, 1), "rate": 2, "padding": "VALID"}
    layer = pax.SeparableConv2D(3, 4, (2, 3), 2, **options, data_format=data_format)
    each = pax.DepthwiseConv2D(
        3, (2, 3), 2, **options, with_bias=False, data_format=data_format
    ).replace(weight=jnp.array(layer.depthwise.weight))
    assert layer.depthwise.bias is None
    assert layer.pointwise.weight.shape == (1, 1, 6, 4)
    x = jax.random.normal(jax.random.PRNGKey(0), (2, 5, 6, 3))
    x = jnp.moveaxis(x, -1, data_format.index("C"))
    y, mixed = layer(x), each(x)
    axis = data_format.index("C")
    last = jnp.moveaxis(mixed, axis, -1) @ layer.pointwise.weight[0, 0]
    np.testing.assert_allclose(jnp.moveaxis(y, axis, -1), last, rtol=1e-5, atol=1e-5)


def test_a_separable_one_by_hand() -> None:
    layer = pax.SeparableConv1D(2, 1, 2, padding="CAUSAL", padding_mode="replicate")
    layer = layer.replace(
        depthwise=layer.depthwise.replace(weight=jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]])),
        pointwise=layer.pointwise.replace(
            weight=jnp.array([[[1.0], [1.0]]]), bias=jnp.array([0.5])
        ),
    )
    # the first channel is one step late
    assert layer(X).ravel().tolist() == [11.5, 21.5, 32.5]


def test_the_parts_have_keys_of_their_own() -> None:
    key = jax.random.PRNGKey(5)
    layer = pax.SeparableConv1D(1, 3, 3, 3, rng_key=key)
    again = pax.SeparableConv1D(1, 3, 3, 3, rng_key=key)
    np.testing.assert_array_equal(layer.depthwise.weight, again.depthwise.weight)
    assert not np.isin(layer.depthwise.weight.ravel(), layer.pointwise.weight.ravel()).any()


def test_edge_shapes() -> None:
    assert pax.DepthwiseConv2D(1, 1)(jnp.ones((0, 1, 1, 1))).shape == (0, 1, 1, 1)
    assert pax.SeparableConv1D(1, 1, 3)(jnp.ones((1, 1, 1))).shape == (1, 1, 1)


def test_printed_forms() -> None:
    assert repr(pax.DepthwiseConv2D(3, 5, name="each")) == (
        "(each) DepthwiseConv2D(in_features=3, kernel_shape=(5, 5), padding=SAME, with_bias=True, "
        "data_format=NHWC)"
    )
    assert repr(pax.DepthwiseConv1D(3, 5, 2, 2, mask=np.ones((5, 1, 1)))) == (
        "DepthwiseConv1D(in_features=3, kernel_shape=(5,), stride=(2,), padding=SAME, "
        "with_bias=True, data_format=NWC, masked=True, channel_multiplier=2)"
    )
    assert pax.SeparableConv1D(3, 4, 5, name="apart").summary() == (
        "(apart) SeparableConv1D\n"
        "├── DepthwiseConv1D(in_features=3, kernel_shape=(5,), padding=SAME, with_bias=False, "
        "data_format=NWC)\n"
        "└── Conv1D(in_features=3, out_features=4, kernel_shape=(1,), padding=SAME, "
        "with_bias=True, data_format=NWC)"
    )


EACH = (
    "DepthwiseConv1D(in_features=2, kernel_shape=(3,), padding=SAME, with_bias=False, "
    "data_format=NWC)"
)


@each(
    Bad(
        lambda: pax.DepthwiseConv2D(2, 3, 0),
        pax.ArgumentError,
        "DepthwiseConv2D got channel_multiplier=0; expected an integer of at least 1.",
        "set channel_multiplier to a positive integer.",
    ),
    Bad(
        lambda: pax.DepthwiseConv2D(2.0, 3),  # type: ignore[arg-type]
        pax.ArgumentError,
        "DepthwiseConv2D got in_features=2.0; expected an integer of at least 1.",
        "set in_features to a positive integer.",
    ),
    Bad(
        lambda: pax.SeparableConv2D(2, 0, 3),
        pax.ArgumentError,
        "SeparableConv2D got out_features=0; expected an integer of at least 1.",
        "set out_features to a positive integer.",
    ),
    Bad(
        lambda: pax.SeparableConv2D(2, 3, 3, stride=(1, 1, 1)),
        pax.ArgumentError,
        "SeparableConv2D got stride=(1, 1, 1); expected a positive integer or 2 of them.",
        "write stride=3 or stride=(3, 3).",
    ),
    Bad(
        lambda: pax.SeparableConv2D(2, 3, 3, padding="CAUSAL"),
        pax.ArgumentError,
        "SeparableConv2D got padding='CAUSAL'; expected 'SAME', 'VALID' or 2 pairs of sizes "
        "(before, after).",
        "write padding='SAME' or padding=[(1, 1), (1, 1)].",
    ),
    Bad(
        lambda: pax.SeparableConv1D(2, 3, 3, with_bias="no"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "SeparableConv1D got with_bias of type str; expected True or False.",
        "write with_bias=True, and name the arguments after it.",
    ),
)
def test_bad_arguments(bad: Bad, unchecked: None) -> None:
    bad.check()


def test_input_that_the_first_part_refuses() -> None:
    with pytest.raises(pax.ShapeError) as error:
        pax.SeparableConv1D(2, 3, 3)(jnp.ones((1, 4, 3)))
    assert str(error.value) == (
        f"{EACH} got input of shape (1, 4, 3): 3 channels in NWC; expected 2.\n"
        "  at: model.depthwise\n"
        "  fix: build the layer with in_features=3, or with the data_format of the input."
    )
