"""Convolutions: numbers by hand, weights, edges, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

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
    layer = pax.Conv2D(
        2, 4, 3, 2, (1, 2), [(1, 1), (0, 2)], False, None, None, "NCHW", 2, name="stem"
    )
    assert repr(layer) == (
        "(stem) Conv2D(in_features=2, out_features=4, kernel_shape=(3, 3), stride=(2, 2), "
        "rate=(1, 2), padding=((1, 1), (0, 2)), with_bias=False, data_format=NCHW, "
        "feature_group_count=2)"
    )


def refused(name: str, value: Any, expected: str, fix: str) -> Bad:
    """Returns an argument that a convolution over two axes refuses."""
    return Bad(
        lambda: pax.Conv2D(
            **({"in_features": 3, "out_features": 4, "kernel_shape": 3} | {name: value})
        ),
        pax.ArgumentError,
        f"Conv2D got {name}={value!r}; expected {expected}.",
        fix,
    )


def size(name: str, value: Any) -> Bad:
    """Returns a number of features or groups that is refused."""
    fix = f"set {name} to a positive integer."
    return refused(name, value, "an integer of at least 1", fix)


def sizes(name: str, value: Any) -> Bad:
    """Returns a size of the kernel, stride or rate that is refused."""
    fix = f"write {name}=3 or {name}=(3, 3)."
    return refused(name, value, "a positive integer or 2 of them", fix)


def padding(value: Any) -> Bad:
    """Returns a padding that is refused."""
    return refused(
        "padding",
        value,
        "'SAME', 'VALID' or 2 pairs of sizes (before, after)",
        "write padding='SAME' or padding=[(1, 1), (1, 1)].",
    )


@each(
    size("in_features", 0),
    size("out_features", -4),
    size("out_features", 4.0),
    size("feature_group_count", 0),
    sizes("kernel_shape", 0),
    sizes("kernel_shape", (3,)),
    sizes("kernel_shape", (3, -1)),
    sizes("kernel_shape", "33"),
    sizes("stride", 0),
    sizes("stride", (1, 1, 1)),
    sizes("stride", 1.5),
    sizes("rate", -1),
    sizes("rate", None),
    padding("FULL"),
    padding(1),
    padding((1, 1)),
    padding([(1, 1)]),
    padding([(1, 1), (1, -1)]),
    padding(None),
    refused("data_format", "NWHC", "one of 'NHWC', 'NCHW'", "write data_format='NHWC'."),
    refused("data_format", "NWC", "one of 'NHWC', 'NCHW'", "write data_format='NHWC'."),
    Bad(
        lambda: pax.Conv2D(3, 4, 3, 1, 1, "SAME", "zeros"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Conv2D got with_bias of type str; expected True or False.",
        "write with_bias=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.Conv1D(3, 4, 3, data_format="NHWC"),
        pax.ArgumentError,
        "Conv1D got data_format='NHWC'; expected one of 'NWC', 'NCW'.",
        "write data_format='NWC'.",
    ),
    Bad(
        lambda: pax.Conv1D(3, 4, 3, feature_group_count=2),
        pax.ArgumentError,
        "Conv1D got in_features=3 and feature_group_count=2, which does not divide it.",
        "choose a number of groups that divides in_features.",
    ),
    Bad(
        lambda: pax.Conv2D(6, 4, 3, feature_group_count=3),
        pax.ArgumentError,
        "Conv2D got out_features=4 and feature_group_count=3, which does not divide it.",
        "choose a number of groups that divides out_features.",
    ),
    Bad(
        lambda: pax.Conv2D(3, 4, 3, b_init=0.0),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Conv2D got b_init of type float, which cannot be called.",
        "pass a function of (rng_key, shape): b_init=jax.nn.initializers.normal(0.02).",
    ),
    Bad(
        lambda: pax.Conv1D(3, 4, 5, w_init=lambda key, shape: np.zeros((4, 3, 5))),
        pax.ArgumentError,
        "Conv1D got an array of shape (4, 3, 5) from w_init; expected (5, 3, 4).",
        "let w_init return an array of the shape that it is given: w_init(rng_key, shape).",
    ),
)
def test_bad_arguments(bad: Bad, unchecked: None) -> None:
    bad.check()


CONV1D = (
    "Conv1D(in_features=3, out_features=4, kernel_shape=(3,), padding=SAME, with_bias=True, "
    "data_format=NWC)"
)
CONV2D = (
    "Conv2D(in_features=3, out_features=4, kernel_shape=(3, 3), padding=SAME, with_bias=True, "
    "data_format=NHWC)"
)
FIRST = CONV2D.replace("NHWC", "NCHW")


def conv2d(**options: Any) -> Any:
    """Returns what makes a convolution over two axes."""
    return lambda: pax.Conv2D(3, 4, 3, **options)


def zeros(*shape: int, dtype: Any = np.float32) -> tuple[np.ndarray]:
    """Returns the arguments of a call."""
    return (np.zeros(shape, dtype),)


@each(
    Bad(
        conv2d(),
        pax.DtypeError,
        f"{CONV2D} got input of type list; expected an array.",
        "convert it first: jnp.asarray(x).",
        ([1.0],),
    ),
    Bad(
        conv2d(),
        pax.DtypeError,
        f"{CONV2D} got input of dtype uint8; expected a floating dtype.",
        "convert the bytes of an image first: x.astype(jnp.float32) / 255.",
        zeros(2, 8, 8, 3, dtype=np.uint8),
    ),
    Bad(
        conv2d(),
        pax.DtypeError,
        f"{CONV2D} got input of dtype int32; expected a floating dtype.",
        "convert it first: x.astype(jnp.float32).",
        zeros(2, 8, 8, 3, dtype=np.int32),
    ),
    Bad(
        conv2d(),
        pax.DtypeError,
        f"{CONV2D} got input of dtype complex64; expected a floating dtype.",
        "convert it first: x.astype(jnp.float32).",
        zeros(2, 8, 8, 3, dtype=np.complex64),
    ),
    Bad(
        conv2d(),
        pax.ShapeError,
        f"{CONV2D} got input of shape (8, 8, 3); expected NHWC, (N, H, W, 3).",
        "add the batch axis with x[None].",
        zeros(8, 8, 3),
    ),
    Bad(
        conv2d(data_format="NCHW"),
        pax.ShapeError,
        f"{FIRST} got input of shape (2, 3); expected NCHW, (N, 3, H, W).",
        "reshape the input to 4 axes.",
        zeros(2, 3),
    ),
    Bad(
        lambda: pax.Conv1D(3, 4, 3),
        pax.ShapeError,
        f"{CONV1D} got input of shape (2, 8, 8, 3); expected NWC, (N, W, 3).",
        "reshape the input to 3 axes.",
        zeros(2, 8, 8, 3),
    ),
    Bad(
        conv2d(),
        pax.ShapeError,
        f"{CONV2D} got input of shape (2, 3, 8, 8): 8 channels in NHWC; expected 3.",
        "build the layer with in_features=8, or with the data_format of the input.",
        zeros(2, 3, 8, 8),
    ),
    Bad(
        conv2d(data_format="NCHW"),
        pax.ShapeError,
        f"{FIRST} got input of shape (2, 8, 8, 3): 8 channels in NCHW; expected 3.",
        "build the layer with in_features=8, or with the data_format of the input.",
        zeros(2, 8, 8, 3),
    ),
    Bad(
        conv2d(),
        pax.ShapeError,
        f"{CONV2D} got input of shape (2, 8, 8, 0): 0 channels in NHWC; expected 3.",
        "give it an input that is not empty.",
        zeros(2, 8, 8, 0),
    ),
    Bad(
        conv2d(),
        pax.ShapeError,
        f"{CONV2D} got input of shape (2, 0, 8, 3), which has a spatial axis of size 0.",
        "give it an input that is not empty; only the batch may be.",
        zeros(2, 0, 8, 3),
    ),
    Bad(
        lambda: pax.Conv1D(3, 4, 3, rate=4, padding="VALID"),
        pax.ShapeError,
        "conv got input of shape (2, 8, 3); a window of 9 does not fit an axis of 8 padded by "
        "(0, 0).",
        "use a smaller window, more padding or a larger input.",
        zeros(2, 8, 3),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
