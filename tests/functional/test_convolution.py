"""The convolution: each way to compute it is one and the same function."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import ArgumentError, DtypeError, ShapeError
from pax.functional import conv
from tests.functional.messages import message

HW: dict[str, Any] = {"data_format": "NHWC"}
slow = functools.partial(pytest.param, marks=pytest.mark.slow)


def normal(*shape: int, dtype: Any = jnp.float32) -> jax.Array:
    return jnp.asarray(np.random.default_rng(shape).standard_normal(shape), dtype)


def test_by_hand() -> None:
    x, weight = jnp.arange(1.0, 7.0).reshape(1, 6, 1), jnp.array([1.0, 0.0, -2.0]).reshape(3, 1, 1)
    options = {"data_format": "NWC"}
    assert conv(x, weight, padding="VALID", **options).ravel().tolist() == [-5, -6, -7, -8]
    assert conv(x, weight, **options).ravel().tolist() == [-4, -5, -6, -7, -8, 5]
    # an even window over an even axis pads after: [1 2 3] [3 4 5] [5 6 0]
    assert conv(x, weight, stride=2, **options).ravel().tolist() == [-5, -7, 5]
    # [1 3 5] [2 4 6]
    y = conv(x, weight, rate=2, padding="valid", **options)
    assert y.ravel().tolist() == [-9, -10]
    # [0 0 1] [3 4 5]
    y = conv(x, weight, jnp.array([0.5]), stride=4, padding=[(2, 0)], **options)
    assert y.ravel().tolist() == [-1.5, -6.5]


def test_channels_are_summed_and_bias_is_added_along_the_channel_axis() -> None:
    x = jnp.array([[[1.0, 10.0], [2.0, 20.0]]])  # [1, 2, 2]
    weight = jnp.array([[[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]]])  # [1, 2, 3]
    bias = jnp.array([0.1, 0.2, 0.3])
    y = conv(x, weight, bias, data_format="NWC")
    np.testing.assert_allclose(y, [[[1.1, 10.2, 12.3], [2.1, 20.2, 24.3]]], rtol=1e-6)
    first = conv(jnp.swapaxes(x, 1, 2), weight, bias, data_format="NCW")
    np.testing.assert_array_equal(jnp.swapaxes(first, 1, 2), y)


def test_rows_and_columns_have_their_own_numbers() -> None:
    x, weight = normal(1, 9, 8, 2), normal(3, 2, 2, 4)
    y = conv(x, weight, stride=(2, 1), rate=(1, 3), padding=[(1, 0), (0, 2)], data_format="NHWC")
    padded = np.pad(np.asarray(x, np.float64), [(0, 0), (1, 0), (0, 2), (0, 0)])
    expected = np.zeros((1, 4, 7, 4))
    for i, j in np.ndindex(4, 7):
        window = padded[:, 2 * i : 2 * i + 3, j : j + 4 : 3]
        expected[:, i, j] = np.einsum("bhwi,hwio->bo", window, np.asarray(weight, np.float64))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_the_gradient_of_a_kernel_of_one_position_copies_nothing() -> None:
    def gradients(x: jax.Array, weight: jax.Array, y: jax.Array) -> tuple[jax.Array, ...]:
        return jax.vjp(lambda x, w: conv(x, w, data_format="NHWC"), x, weight)[1](y)

    arguments = normal(2, 5, 4, 3), normal(1, 1, 3, 6), normal(2, 5, 4, 6)
    memory = jax.jit(gradients).lower(*arguments).compile().memory_analysis()
    assert memory is not None
    assert memory.temp_size_in_bytes < arguments[2].nbytes


@pytest.mark.parametrize(
    ("dtype", "groups"),
    [
        (jnp.bfloat16, 1),
        (jnp.float16, 2),
        *(slow(jnp.bfloat16, groups) for groups in (2, 4)),
        *(slow(jnp.float16, groups) for groups in (1, 4)),
    ],
)
def test_dtype_is_kept_forward_and_backward(dtype: Any, groups: int) -> None:
    x, weight = normal(2, 5, 5, 4, dtype=dtype), normal(3, 3, 4 // groups, 8, dtype=dtype)

    @jax.jit
    def run(x: jax.Array, weight: jax.Array) -> Any:
        y, pull = jax.vjp(
            lambda x, w: conv(x, w, data_format="NHWC", feature_group_count=groups), x, weight
        )
        return y, *pull(y)

    exact = run(x.astype(jnp.float32), weight.astype(jnp.float32))
    # sums are made in float32: the output is rounded once, gradients from a rounded output
    for found, expected, roundings in zip(run(x, weight), exact, (1, 3, 3), strict=True):
        assert found.dtype == dtype
        error = jnp.abs(found.astype(jnp.float32) - expected).max() / jnp.abs(expected).max()
        assert error <= roundings * float(jnp.finfo(dtype).eps) / 2


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_vmap_over_kernels(groups: int) -> None:
    x, weights = normal(2, 5, 4), normal(3, 4 // groups, 8)

    @jax.jit
    def run(weight: jax.Array) -> jax.Array:
        return conv(x, weight, data_format="NWC", feature_group_count=groups)

    expected = jnp.stack([run(weight) for weight in (weights, 2 * weights)])
    found = jax.jit(jax.vmap(run))(jnp.stack([weights, 2 * weights]))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_empty_batch(groups: int, kernel: int, count: int) -> None:
    weight, space = normal(*(kernel,) * count, 2 // groups, 4), (5,) * count
    x = jnp.ones((0, *space, 2))
    y = conv(x, weight, data_format="N...C", feature_group_count=groups)
    assert y.shape == (0, *space, 4)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        # the kernel reads one entry two places before, and one place after, its own
        ("zeros", [20, 30, 41, 52, 3]),
        ("reflect", [23, 32, 41, 52, 43]),
        ("replicate", [21, 31, 41, 52, 53]),
        ("circular", [24, 35, 41, 52, 13]),
    ],
)
def test_padding_modes_by_hand(mode: str, expected: list[int]) -> None:
    x, weight = jnp.arange(1.0, 6.0).reshape(1, 5, 1), jnp.array([1.0, 0, 0, 10]).reshape(4, 1, 1)
    options: dict[str, Any] = {"padding": [(2, 1)], "padding_mode": mode, "data_format": "NWC"}
    assert conv(x, weight, **options).ravel().tolist() == expected
    first = options | {"data_format": "NC..."}
    assert conv(x.reshape(1, 1, 5), weight, **first).ravel().tolist() == expected


def test_the_name_of_a_padding_and_a_mode_go_together() -> None:
    x, weight = jnp.arange(1.0, 6.0).reshape(1, 5, 1), jnp.array([1.0, 0, 10]).reshape(3, 1, 1)
    options: dict[str, Any] = {"padding_mode": "reflect", "data_format": "NWC"}
    assert conv(x, weight, **options).ravel().tolist() == [22, 31, 42, 53, 44]
    y = conv(x, weight, padding="VALID", **options)
    assert y.ravel().tolist() == [31, 42, 53]
    # each axis has its own padding; the other is not touched
    y = conv(x[:, :, None], weight[:, None], padding=[(1, 1), (0, 0)], **options | HW)
    assert y.ravel().tolist() == [22, 31, 42, 53, 44]


def test_causal_by_hand() -> None:
    x, weight = jnp.arange(1.0, 6.0).reshape(1, 5, 1), jnp.array([100.0, 10, 1]).reshape(3, 1, 1)
    options: dict[str, Any] = {"padding": "causal", "data_format": "NWC"}
    assert conv(x, weight, **options).ravel().tolist() == [1, 12, 123, 234, 345]
    assert conv(x, weight, rate=2, **options).ravel().tolist() == [1, 2, 13, 24, 135]
    assert conv(x, weight, stride=2, **options).ravel().tolist() == [1, 123, 345]
    y = conv(x, weight, padding_mode="replicate", **options)
    assert y.ravel().tolist() == [111, 112, 123, 234, 345]


def test_three_axes_keep_a_small_dtype() -> None:
    x, weight = normal(2, 3, 4, 3, 4), normal(3, 2, 3, 4, 6)

    def run(x: jax.Array, weight: jax.Array) -> jax.Array:
        return conv(x, weight, data_format="NDHWC")

    x, weight = x.astype(jnp.bfloat16), weight.astype(jnp.bfloat16)
    exact = run(x.astype(jnp.float32), weight.astype(jnp.float32))
    found = run(x, weight)
    assert found.dtype == jnp.bfloat16
    # one sum in float32, rounded once
    error = jnp.abs(found.astype(jnp.float32) - exact).max() / jnp.abs(exact).max()
    assert error <= float(jnp.finfo(jnp.bfloat16).eps) / 2


def test_three_axes_are_one_convolution_of_planes() -> None:
    x, weight = normal(2, 4, 5, 6, 3), normal(3, 3, 3, 3, 8)
    lowered = jax.jit(lambda x, w: conv(x, w, stride=2, data_format="NDHWC")).lower(x, weight)
    (line,) = [line for line in lowered.as_text().splitlines() if "stablehlo.convolution" in line]
    # two planes of each of two examples, each with the channels of the three that it sees
    assert "(tensor<4x5x6x9xf32>, tensor<3x3x9x8xf32>) -> tensor<4x3x3x8xf32>" in line


def test_errors_of_options() -> None:
    x, weight = jnp.ones((2, 5, 4)), jnp.ones((3, 4, 6))
    assert message(ArgumentError, lambda: conv(x, weight, data_format="NHC")) == (
        "conv got data_format='NHC'; expected one of 'NWC', 'NCW', 'NHWC', 'NCHW', 'NDHWC', "
        "'NCDHW', 'N...C', 'NC...'.\n"
        "  fix: name the order of the axes of x: batch N, space D, H, W or '...', channels C."
    )
    assert message(ArgumentError, lambda: conv(x, weight, stride=0, data_format="NWC")) == (
        "conv got stride=0; expected a positive integer or 1 of them.\n"
        "  fix: write stride=(2,), with one number of your own for each axis."
    )
    assert message(ArgumentError, lambda: conv(x, weight, rate=(1, 1), data_format="NWC")) == (
        "conv got rate=(1, 1); expected a positive integer or 1 of them.\n"
        "  fix: write rate=(2,), with one number of your own for each axis."
    )
    padding_error = (
        "conv got padding={}; expected 'SAME', 'VALID', 'CAUSAL' or 1 pairs of integers >= 0.\n"
        "  fix: write padding=[(1, 1)], with one pair (before, after) for each axis."
    )
    for padding in ("FULL", [(1, -1)], [(1, 1), (1, 1)], [(1,)]):
        assert message(
            ArgumentError, lambda p=padding: conv(x, weight, padding=p, data_format="NWC")
        ) == padding_error.format(repr(padding))
    for groups in (0, 4):
        assert message(
            ArgumentError,
            lambda g=groups: conv(x, weight, data_format="NWC", feature_group_count=g),
        ) == (
            f"conv got feature_group_count={groups} for 6 output features.\n"
            "  fix: choose a number of groups that divides the number of output features."
        )


def test_errors_of_padding_modes() -> None:
    x, weight = jnp.ones((2, 5, 4)), jnp.ones((3, 4, 6))

    def call(**options: Any) -> Any:
        return lambda: conv(x, weight, **{"data_format": "NWC"} | options)

    assert message(ArgumentError, call(padding_mode="edge")) == (
        "conv got padding_mode='edge'; expected one of 'zeros', 'reflect', 'replicate', "
        "'circular'.\n"
        "  fix: write padding_mode='zeros'."
    )
    for mode in ("reflect", "circular"):
        assert message(ArgumentError, call(padding="CAUSAL", padding_mode=mode)) == (
            f"conv got padding='CAUSAL' and padding_mode='{mode}', which pads with entries that "
            "come later.\n"
            "  fix: write padding_mode='zeros' or 'replicate'."
        )
    for mode, pair, most in (("reflect", (1, 5), 4), ("circular", (6, 0), 5)):
        assert message(ShapeError, call(padding=[pair], padding_mode=mode)) == (
            f"conv got input of shape (2, 5, 4) and padding_mode='{mode}'; an axis of 5 cannot be "
            f"padded by {pair}: at most {most} on each side.\n"
            "  fix: use less padding, a smaller kernel or rate, or padding_mode='zeros'."
        )
        conv(x, weight, padding=[(most, most)], padding_mode=mode, data_format="NWC")
    assert message(
        ShapeError,
        lambda: conv(
            x[:, :0], weight, padding=[(2, 2)], padding_mode="replicate", data_format="NWC"
        ),
    ) == (
        "conv got input of shape (2, 0, 4) and padding_mode='replicate'; an axis of 0 cannot be "
        "padded by (2, 2): at most 0 on each side.\n"
        "  fix: use less padding, a smaller kernel or rate, or padding_mode='zeros'."
    )
    assert message(
        ArgumentError,
        lambda: conv(
            x[:, None], weight[None], padding="CAUSAL", padding_mode="zeros", data_format="NHWC"
        ),
    ) == (
        "conv got padding='CAUSAL'; expected 'SAME', 'VALID' or 2 pairs of integers >= 0.\n"
        "  fix: write padding=[(1, 1), (1, 1)], with one pair (before, after) for each axis."
    )


def test_errors_of_ranks_without_letters() -> None:
    for shape, kernel, rank, axes in (
        ((2, 5, 4), (3, 3, 4, 6), 4, "NCHW"),
        ((2, 5), (4, 6), 3, "NCW"),
    ):
        assert message(
            ShapeError,
            lambda s=shape, k=kernel: conv(jnp.ones(s), jnp.ones(k), data_format="NC..."),
        ) == (
            f"conv got x of shape {shape} and weight of shape {kernel}; expected {rank} axes each "
            f"for data_format='{axes}'.\n"
            f"  fix: give x the axes {', '.join(axes)}, and weight the spatial axes, then I, O."
        )


def test_errors_of_arrays() -> None:
    x, weight = jnp.ones((2, 5, 4)), jnp.ones((3, 4, 6))
    assert message(ShapeError, lambda: conv(x[0], weight, data_format="NWC")) == (
        "conv got x of shape (5, 4) and weight of shape (3, 4, 6); expected 3 axes each for "
        "data_format='NWC'.\n"
        "  fix: give x the axes N, W, C, and weight the spatial axes, then I, O."
    )
    assert message(ShapeError, lambda: conv(x, weight, data_format="NCW")) == (
        "conv got x of shape (2, 5, 4): 5 channels in NCW; expected 4 for weight of shape "
        "(3, 4, 6).\n"
        "  fix: check data_format, or build the weight for the channels of x."
    )
    assert message(ShapeError, lambda: conv(x, weight, jnp.ones(1), data_format="NWC")) == (
        "conv got bias of shape (1,); expected (6,).\n"
        "  fix: bias has one entry for each output feature of weight, whose shape is (3, 4, 6)."
    )
    assert message(
        ShapeError, lambda: conv(x[:, :2], weight, padding="VALID", data_format="NWC")
    ) == (
        "conv got input of shape (2, 2, 4); a window of 3 does not fit an axis of 2 padded by "
        "(0, 0).\n"
        "  fix: use a smaller window, more padding or a larger input."
    )
    assert message(ShapeError, lambda: conv(x[:, :0], weight, data_format="NWC")) == (
        "conv got input of shape (2, 0, 4); a window of 3 does not fit an axis of 0 padded by "
        "(1, 1).\n"
        "  fix: use a smaller window, more padding or a larger input."
    )
    assert message(DtypeError, lambda: conv(x.astype(jnp.uint8), weight, data_format="NWC")) == (
        "conv got x of dtype uint8; expected a floating dtype.\n"
        "  fix: convert it first, e.g. x.astype(jnp.float32)."
    )
