"""The transposed convolution."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import ArgumentError, ShapeError
from pax.functional import conv_transpose
from tests.functional.messages import message

X = jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)
WEIGHT = jnp.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)


def run(**options: Any) -> list[float]:
    return (
        jax.jit(lambda: conv_transpose(X, WEIGHT, data_format="NWC", **options))().ravel().tolist()
    )


def test_by_hand() -> None:
    # the input is spread out to 1 0 2 0 3 and padded; then the kernel slides as it stands
    assert run(stride=2, padding="VALID") == [100, 10, 201, 20, 302, 30, 3]
    assert run(stride=2) == [100, 10, 201, 20, 302, 30]
    assert run(stride=2, padding=[(0, 0)]) == [201, 20, 302]
    assert run(stride=2, padding=[(3, 1)]) == [0, 100, 10, 201, 20, 302, 30]
    # gaps wider than the kernel
    assert run(stride=4) == [100, 10, 1, 0, 200, 20, 2, 0, 300, 30, 3, 0]
    # without a stride it is a plain convolution
    assert run() == [210, 321, 32]
    # one place more at the end, of which the kernel does not see all that is before it
    assert run(stride=2, padding=[(0, 0)], output_padding=1) == [201, 20, 302, 30]
    # an entry of the kernel every two places: 1 2 3 under 1 . 10 . 100
    assert run(rate=2, padding=[(4, 4)]) == [100, 200, 310, 20, 31, 2, 3]
    assert run(rate=2) == [310, 20, 31]
    # the same kernel over 0 1 0 0 2 0 0 3 and six zeros
    y = run(rate=2, stride=3, padding=[(1, 4)], output_padding=2)
    assert y == [200, 1, 20, 300, 2, 30, 0, 3, 0, 0]


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_sizes(size: int, kernel: int, stride: int) -> None:
    def shape(padding: str) -> Any:
        return jax.eval_shape(
            lambda x, w: conv_transpose(x, w, stride=stride, padding=padding, data_format="NCW"),
            jax.ShapeDtypeStruct((2, 3, size), jnp.float32),
            jax.ShapeDtypeStruct((kernel, 4, 3), jnp.float32),
        ).shape

    assert shape("SAME") == (2, 4, size * stride)
    assert shape("VALID") == (2, 4, size * stride + max(kernel - stride, 0))


def test_bias_and_features_along_the_channel_axis() -> None:
    rng = np.random.default_rng(0)
    x, weight = (
        jnp.asarray(rng.standard_normal(s), jnp.float32) for s in [(2, 3, 4, 5), (2, 3, 6, 5)]
    )
    bias = jnp.arange(6.0)
    options: Any = {"stride": (2, 3), "data_format": "NHWC"}
    y = conv_transpose(x, weight, bias, **options)
    assert y.shape == (2, 6, 12, 6)
    bare = conv_transpose(x, weight, **options)
    np.testing.assert_allclose(y, bare + bias.reshape(1, 1, 1, 6), rtol=1e-6)
    options["data_format"] = "NCHW"
    first = conv_transpose(jnp.moveaxis(x, -1, 1), weight, bias, **options)
    np.testing.assert_allclose(jnp.moveaxis(first, 1, -1), y, rtol=1e-5, atol=1e-5)


def test_groups_by_hand() -> None:
    x = jnp.array([[[1.0, 2.0, 30.0, 40.0]]])
    weight = jnp.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [1.0, 1.0]])[None]  # [1, O, I / 2]
    y = conv_transpose(x, weight, feature_group_count=2, data_format="NWC")
    assert y.ravel().tolist() == [1, 1.5, 40, 70]


@pytest.mark.parametrize(("groups", "count"), [(1, 1), (3, 1), (1, 3)])
def test_an_empty_batch_of_any_kind(groups: int, count: int) -> None:
    x, weight = jnp.ones((0, *(3,) * count, 3)), jnp.ones((*(2,) * count, 6, 3 // groups))
    y = conv_transpose(x, weight, stride=2, data_format="N...C", feature_group_count=groups)
    assert y.shape == (0, *(6,) * count, 6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_dtype_is_kept(dtype: Any) -> None:
    y = conv_transpose(X.astype(dtype), WEIGHT.astype(dtype), stride=2, data_format="NWC")
    assert y.dtype == dtype
    expected = jnp.array([201, 302], dtype).tolist()
    assert y.ravel().tolist() == [100, 10, expected[0], 20, expected[1], 30]


def test_empty_batch() -> None:
    assert conv_transpose(X[:0], WEIGHT, stride=2, data_format="NWC").shape == (0, 6, 1)


def test_errors() -> None:
    def call(x: jax.Array = X, **options: Any) -> Any:
        return lambda: conv_transpose(x, WEIGHT, data_format="NWC", **options)

    assert message(ShapeError, call(X[:, :2], padding=[(0, 0)])) == (
        "conv_transpose got x of shape (1, 2, 1); with weight of shape (3, 1, 1), stride (1,) "
        "and padding ((0, 0),) the output would be empty.\n"
        "  fix: use a larger input or more padding."
    )
    assert message(ShapeError, call(jnp.ones((1, 3, 2)))) == (
        "conv_transpose got x of shape (1, 3, 2): 2 channels in NWC; expected 1 for weight of "
        "shape (3, 1, 1).\n"
        "  fix: check data_format, or build the weight for the channels of x."
    )
    assert message(ArgumentError, call(stride=-1)) == (
        "conv_transpose got stride=-1; expected a positive integer or 1 of them.\n"
        "  fix: write stride=(2,), with one number of your own for each axis."
    )
    assert message(ArgumentError, call(output_padding=-1)) == (
        "conv_transpose got output_padding=-1; expected an integer >= 0 or 1 of them.\n"
        "  fix: write output_padding=(2,), with one number of your own for each axis."
    )
    assert message(ArgumentError, call(output_padding=3, stride=3, rate=2)) == (
        "conv_transpose got output_padding=3 with stride (3,) and rate (2,); expected less than "
        "the larger of both.\n"
        "  fix: use a larger input, or pairs of padding."
    )
    assert message(ArgumentError, call(feature_group_count=2)) == (
        "conv_transpose got feature_group_count=2 for 1 output features.\n"
        "  fix: choose a number of groups that divides the number of output features."
    )
    assert message(ArgumentError, call(padding="CAUSAL")) == (
        "conv_transpose got padding='CAUSAL'; expected 'SAME', 'VALID' or 1 pairs of integers "
        ">= 0.\n"
        "  fix: write padding=[(1, 1)], with one pair (before, after) for each axis."
    )
    assert message(ArgumentError, call(padding="CIRCULAR")) == (
        "conv_transpose got padding='CIRCULAR'; expected 'SAME', 'VALID' or 1 pairs of integers "
        ">= 0.\n"
        "  fix: write padding=[(1, 1)], with one pair (before, after) for each axis."
    )
