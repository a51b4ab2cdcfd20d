"""Transposed convolutions: numbers by hand, weights, edges, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

X = jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)


def by_hand(**options: Any) -> pax.Conv1DTranspose:
    """Returns a layer with a kernel whose digits can be told apart."""
    layer = pax.Conv1DTranspose(1, 1, 3, **options)
    weight = jnp.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)
    return layer.replace(weight=weight, bias=jnp.array([0.5]))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # the kernel slides, not flipped, over 0 0 1 2 3 0 0 or a part of it
        ({}, [210.5, 321.5, 32.5]),
        ({"padding": "VALID"}, [100.5, 210.5, 321.5, 32.5, 3.5]),
        ({"padding": [(1, 0)]}, [210.5, 321.5]),
        # spread out by two: 1 0 2 0 3
        ({"stride": 2}, [100.5, 10.5, 201.5, 20.5, 302.5, 30.5]),
        ({"stride": [2], "padding": ((0, 0),)}, [201.5, 20.5, 302.5]),
        ({"stride": 2, "padding": [(0, 0)], "output_padding": (1,)}, [201.5, 20.5, 302.5, 30.5]),
        ({"rate": 2}, [310.5, 20.5, 31.5]),
    ],
    ids=str,
)
def test_by_hand(options: dict[str, Any], expected: list[float]) -> None:
    np.testing.assert_array_equal(by_hand(**options)(X).ravel(), expected)


def test_channels_first_by_hand() -> None:
    y = by_hand(data_format="NCW")(X.reshape(1, 1, 3))
    np.testing.assert_array_equal(y, [[[210.5, 321.5, 32.5]]])


def test_in_and_out_by_hand() -> None:
    layer = pax.Conv2DTranspose(2, 3, 1, with_bias=False)
    weight = jnp.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])  # [out, in]
    y = layer.replace(weight=weight[None, None])(jnp.array([4.0, 1.0]).reshape(1, 1, 1, 2))
    np.testing.assert_array_equal(y.ravel(), [14.0, 28.0, 42.0])


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_shapes_of_the_arrays(data_format: str) -> None:
    layer = pax.Conv2DTranspose(2, 4, (3, 5), data_format=data_format)
    assert layer.weight.shape == (3, 5, 4, 2)
    assert layer.bias is not None
    assert layer.bias.shape == (4,)


def test_without_bias_there_is_no_leaf() -> None:
    layer = pax.Conv1DTranspose(2, 4, 3, with_bias=False)
    assert layer.bias is None
    assert [x.shape for x in jax.tree.leaves(layer)] == [(3, 4, 2)]


def test_initial_values_come_from_the_key() -> None:
    key = jax.random.PRNGKey(3)
    layer = pax.Conv2DTranspose(2, 4, (3, 5), rng_key=key)
    init = pax.initializers.truncated_normal(30**-0.5)
    np.testing.assert_array_equal(layer.weight, init(key, (3, 5, 4, 2)))
    np.testing.assert_array_equal(layer.bias, np.zeros(4))


def test_edge_shapes() -> None:
    assert by_hand(stride=2)(X[:0]).shape == (0, 6, 1)
    np.testing.assert_array_equal(by_hand()(X[:, :1]).ravel(), [10.5])
    # a stride beyond the kernel leaves places that only the bias reaches
    layer = pax.Conv1DTranspose(1, 1, 1, stride=2).replace(weight=jnp.array([[[2.0]]]))
    np.testing.assert_array_equal(layer(X).ravel(), [2.0, 0.0, 4.0, 0.0, 6.0, 0.0])


def test_three_axes_by_hand() -> None:
    layer = pax.Conv3DTranspose(1, 1, (1, 2, 2), stride=(1, 2, 2), with_bias=False)
    layer = layer.replace(weight=jnp.array([1.0, 10.0, 100.0, 1000.0]).reshape(1, 2, 2, 1, 1))
    y = layer(jnp.array([2.0, 3.0]).reshape(1, 2, 1, 1, 1))
    assert y[0, ..., 0].tolist() == [[[2000, 200], [20, 2]], [[3000, 300], [30, 3]]]
    free = pax.ConvNDTranspose(3, 1, 1, (1, 2, 2), (1, 2, 2), with_bias=False)
    np.testing.assert_array_equal(
        free.replace(weight=layer.weight)(jnp.ones((1, 1, 1, 1, 1))),
        layer(jnp.ones((1, 1, 1, 1, 1))),
    )


def test_printed_form() -> None:
    layer = pax.ConvNDTranspose(2, 4, 2, 3, 2, output_padding=1, feature_group_count=2)
    assert repr(layer) == (
        "ConvNDTranspose(num_spatial_dims=2, in_features=4, out_features=2, kernel_shape=(3, 3), "
        "stride=(2, 2), padding=SAME, with_bias=True, data_format=N...C, feature_group_count=2, "
        "output_padding=(1, 1))"
    )
    assert repr(pax.Conv1DTranspose(3, 4, 5, 2, "VALID", False, name="up")) == (
        "(up) Conv1DTranspose(in_features=3, out_features=4, kernel_shape=(5,), stride=(2,), "
        "padding=VALID, with_bias=False, data_format=NWC)"
    )


UP1D = (
    "Conv1DTranspose(in_features=3, out_features=4, kernel_shape=(3,), padding=SAME, "
    "with_bias=True, data_format=NWC)"
)
UP2D = (
    "Conv2DTranspose(in_features=3, out_features=4, kernel_shape=(3, 3), padding=SAME, "
    "with_bias=True, data_format=NHWC)"
)


@each(
    Bad(
        lambda: pax.Conv1DTranspose(3, 0, 3),
        pax.ArgumentError,
        "Conv1DTranspose got out_features=0; expected an integer of at least 1.",
        "set out_features to a positive integer.",
    ),
    Bad(
        lambda: pax.Conv2DTranspose(3, 4, 3, stride=(0, 2)),
        pax.ArgumentError,
        "Conv2DTranspose got stride=(0, 2); expected a positive integer or 2 of them.",
        "write stride=3 or stride=(3, 3).",
    ),
    Bad(
        lambda: pax.Conv1DTranspose(3, 4, 3, padding="FULL"),
        pax.ArgumentError,
        "Conv1DTranspose got padding='FULL'; expected 'SAME', 'VALID' or 1 pairs of sizes "
        "(before, after).",
        "write padding='SAME' or padding=[(1, 1)].",
    ),
    Bad(
        lambda: pax.Conv1DTranspose(3, 4, 3, padding="CAUSAL"),
        pax.ArgumentError,
        "Conv1DTranspose got padding='CAUSAL'; expected 'SAME', 'VALID' or 1 pairs of sizes "
        "(before, after).",
        "write padding='SAME' or padding=[(1, 1)].",
    ),
    Bad(
        lambda: pax.Conv2DTranspose(3, 4, 3, 2, output_padding=(1, 2)),
        pax.ArgumentError,
        "Conv2DTranspose got output_padding=(1, 2) with stride=(2, 2) and rate=(1, 1); expected "
        "less than the larger of both.",
        "use a larger input, or pairs of padding.",
    ),
    Bad(
        lambda: pax.Conv2DTranspose(3, 4, 3, 2, output_padding=(1,)),
        pax.ArgumentError,
        "Conv2DTranspose got output_padding=(1,); expected an integer of at least 0 or 2 of them.",
        "write output_padding=1 or output_padding=(1, 1).",
    ),
    Bad(
        lambda: pax.Conv1DTranspose(3, 4, 3, 2, output_padding=-1),
        pax.ArgumentError,
        "Conv1DTranspose got output_padding=-1; expected an integer of at least 0 or 1 of them.",
        "write output_padding=1 or output_padding=(1,).",
    ),
    Bad(
        lambda: pax.Conv2DTranspose(4, 3, 3, feature_group_count=2),
        pax.ArgumentError,
        "Conv2DTranspose got out_features=3 and feature_group_count=2, which does not divide it.",
        "choose a number of groups that divides out_features.",
    ),
    Bad(
        lambda: pax.Conv1DTranspose(3, 4, 3, 1, "SAME", "zeros"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Conv1DTranspose got with_bias of type str; expected True or False.",
        "write with_bias=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.Conv2DTranspose(3, 4, 3, data_format="NWC"),
        pax.ArgumentError,
        "Conv2DTranspose got data_format='NWC'; expected one of 'NHWC', 'NCHW'.",
        "write data_format='NHWC'.",
    ),
    Bad(
        lambda: pax.Conv1DTranspose(3, 4, 5, w_init=lambda key, shape: np.zeros((5, 3, 4))),
        pax.ArgumentError,
        "Conv1DTranspose got an array of shape (5, 3, 4) from w_init; expected (5, 4, 3).",
        "let w_init return an array of the shape that it is given: w_init(rng_key, shape).",
    ),
    Bad(
        lambda: pax.Conv1DTranspose(3, 4, 3),
        pax.DtypeError,
        f"{UP1D} got input of dtype int32; expected a floating dtype.",
        "convert it first: x.astype(jnp.float32).",
        (np.zeros((2, 8, 3), np.int32),),
    ),
    Bad(
        lambda: pax.Conv2DTranspose(3, 4, 3),
        pax.DtypeError,
        f"{UP2D} got input of type tuple; expected an array.",
        "convert it first: jnp.asarray(x).",
        ((1.0, 2.0),),
    ),
    Bad(
        lambda: pax.Conv1DTranspose(3, 4, 3),
        pax.ShapeError,
        f"{UP1D} got input of shape (8, 3); expected NWC, (N, W, 3).",
        "add the batch axis with x[None].",
        (np.zeros((8, 3), np.float32),),
    ),
    Bad(
        lambda: pax.Conv2DTranspose(3, 4, 3),
        pax.ShapeError,
        f"{UP2D} got input of shape (2, 3, 8, 8): 8 channels in NHWC; expected 3.",
        "build the layer with in_features=8, or with the data_format of the input.",
        (np.zeros((2, 3, 8, 8), np.float32),),
    ),
    Bad(
        lambda: pax.Conv1DTranspose(3, 4, 3),
        pax.ShapeError,
        f"{UP1D} got input of shape (2, 0, 3), which has a spatial axis of size 0.",
        "give it an input that is not empty; only the batch may be.",
        (np.zeros((2, 0, 3), np.float32),),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
