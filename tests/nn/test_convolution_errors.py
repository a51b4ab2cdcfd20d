"""Convolutions: arguments and inputs that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np

import pax
from tests.nn.bad import Bad, each


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
    padding("CAUSAL"),
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
        lambda: pax.Conv1D(3, 4, 3, padding="LEFT"),
        pax.ArgumentError,
        "Conv1D got padding='LEFT'; expected 'SAME', 'VALID', 'CAUSAL' or 1 pairs of sizes "
        "(before, after).",
        "write padding='SAME' or padding=[(1, 1)].",
    ),
    Bad(
        lambda: pax.Conv1D(3, 4, 3, padding="CAUSAL", padding_mode="circular"),
        pax.ArgumentError,
        "Conv1D got padding='CAUSAL' and padding_mode='circular', which pads with entries that "
        "come later.",
        "write padding_mode='zeros' or 'replicate'.",
    ),
    Bad(
        lambda: pax.ConvND(0, 3, 4, 3),
        pax.ArgumentError,
        "ConvND got num_spatial_dims=0; expected an integer of at least 1.",
        "set num_spatial_dims to a positive integer.",
    ),
    Bad(
        lambda: pax.ConvND(3, 3, 4, (3, 3)),
        pax.ArgumentError,
        "ConvND got kernel_shape=(3, 3); expected a positive integer or 3 of them.",
        "write kernel_shape=3 or kernel_shape=(3, 3, 3).",
    ),
    refused(
        "padding_mode",
        "constant",
        "one of 'zeros', 'reflect', 'replicate', 'circular'",
        "write padding_mode='zeros'.",
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
        lambda: pax.ConvND(4, 3, 4, 3, with_bias=False),
        pax.ShapeError,
        "ConvND(num_spatial_dims=4, in_features=3, out_features=4, kernel_shape=(3, 3, 3, 3), "
        "padding=SAME, with_bias=False, data_format=N...C) got input of shape (2, 8, 8, 3); "
        "expected NabcdC, (N, a, b, c, d, 3).",
        "reshape the input to 6 axes.",
        zeros(2, 8, 8, 3),
    ),
    Bad(
        conv2d(padding_mode="reflect"),
        pax.ShapeError,
        "conv got input of shape (2, 1, 8, 3) and padding_mode='reflect'; an axis of 1 cannot be "
        "padded by (1, 1): at most 0 on each side.",
        "use less padding, a smaller kernel or rate, or padding_mode='zeros'.",
        zeros(2, 1, 8, 3),
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
