"""Pooling layers: numbers by hand, options, edges, errors."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called

ROW = jnp.array([3.0, 1.0, 4.0, 1.0, 5.0]).reshape(1, 5, 1)


def flat(layer: Any, x: Any = ROW) -> list[float]:
    return called(layer, x).ravel().tolist()


def test_by_hand() -> None:
    assert flat(pax.AvgPool(2)) == [2.0, 2.5]
    assert flat(pax.AvgPool(2, 1)) == [2.0, 2.5, 2.5, 3.0]
    assert flat(pax.AvgPool(2, padding="same")) == [2.0, 2.5, 5.0]
    assert flat(pax.AvgPool(2, padding=[(1, 0)], count_include_pad=True)) == [1.5, 2.5, 3.0]
    assert flat(pax.MaxPool(2, ceil_mode=True)) == [3.0, 4.0, 5.0]
    assert flat(pax.MaxPool(2, 1, rate=2)) == [4.0, 1.0, 5.0]
    assert flat(pax.MinPool((3,), (2,))) == [1.0, 1.0]
    assert flat(pax.LpPool(2, 2), jnp.array([[[3.0], [-4.0]]])) == [5.0]
    assert flat(pax.AdaptiveAvgPool(3)) == [2.0, 2.0, 3.0]
    assert flat(pax.AdaptiveMaxPool((2,))) == [4.0, 5.0]
    assert flat(pax.GlobalAvgPool()) == pytest.approx([2.8])
    assert flat(pax.GlobalMaxPool()) == [5.0]


@pytest.mark.parametrize(
    "make",
    [
        lambda **options: pax.AvgPool((2, 3), (1, 2), [(0, 1), (1, 1)], **options),
        lambda **options: pax.MaxPool((2, 2), padding="SAME", rate=(1, 2), **options),
        lambda **options: pax.AdaptiveMaxPool((None, 2), **options),
    ],
)
def test_channels_first(make: Any) -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 5, 7, 3)), jnp.float32)
    last = called(make(), x)
    first = called(make(data_format="NC..."), jnp.moveaxis(x, -1, 1))
    np.testing.assert_array_equal(jnp.moveaxis(first, 1, -1), last)


def test_one_layer_for_any_number_of_axes() -> None:
    pool, everything = pax.MaxPool(2), pax.GlobalMaxPool(data_format="NC...")
    for space in ((4,), (4, 5), (4, 5, 2)):
        x = jnp.asarray(np.random.default_rng(0).integers(99, size=(2, *space, 3)))
        assert pool(x).shape == (2, *(n // 2 for n in space), 3)
        assert pool(x).dtype == x.dtype
        np.testing.assert_array_equal(everything(x), x.max(tuple(range(2, x.ndim))))


def test_edge_shapes() -> None:
    assert pax.AvgPool(2)(jnp.ones((0, 5, 4, 1))).shape == (0, 2, 2, 1)
    assert pax.MaxPool(2)(jnp.ones((2, 5, 0))).shape == (2, 2, 0)
    assert pax.GlobalAvgPool()(jnp.ones((0, 5, 4))).shape == (0, 4)
    assert pax.MaxPool(1, 5)(jnp.ones((1, 1, 1))).shape == (1, 1, 1)


def test_printed_forms() -> None:
    assert repr(pax.MaxPool(3, (2, 2), "same", name="pool")) == (
        "(pool) MaxPool(window_shape=3, strides=(2, 2), padding=SAME, data_format=N...C)"
    )
    assert repr(pax.LpPool(2, 3, padding=[(1, 0)])) == (
        "LpPool(p=2.0, window_shape=3, strides=3, padding=((1, 0),), data_format=N...C)"
    )
    assert repr(pax.AdaptiveAvgPool([7, None])) == (
        "AdaptiveAvgPool(output_shape=(7, None), data_format=N...C)"
    )
    assert repr(pax.GlobalMaxPool(data_format="NC...")) == "GlobalMaxPool(data_format=NC...)"


IMAGE = (jnp.ones((2, 4, 4, 3)),)
MAX = "MaxPool(window_shape=2, strides=2, padding=VALID, data_format=N...C)"


@each(
    Bad(
        lambda: pax.MaxPool((2, 0)),
        pax.ArgumentError,
        "MaxPool got window_shape=(2, 0); expected a positive integer, or one for each spatial "
        "axis.",
        "write window_shape=2, or window_shape=(2, 2) over two axes.",
    ),
    Bad(
        lambda: pax.AvgPool((2, 2), 2, [(1, 1)]),
        pax.ArgumentError,
        "AvgPool got entries for different numbers of spatial axes: 2 for window_shape and 1 for "
        "padding.",
        "give each of them one entry for each axis, or one integer for all.",
    ),
    Bad(
        lambda: pax.MaxPool(2, padding="FULL"),
        pax.ArgumentError,
        "MaxPool got padding='FULL'; expected 'SAME', 'VALID' or 2 pairs of sizes (before, after).",
        "write padding='SAME' or padding=[(1, 1), (1, 1)].",
    ),
    Bad(
        lambda: pax.LpPool(0.5, 2),
        pax.ArgumentError,
        "LpPool got p=0.5; expected at least 1.",
        "write p=2 for the Euclidean norm.",
    ),
    Bad(
        lambda: pax.AdaptiveMaxPool((2, 0)),
        pax.ArgumentError,
        "AdaptiveMaxPool got output_shape=(2, 0); expected a positive integer, or one for each "
        "spatial axis.",
        "write output_shape=7, or output_shape=(7, 7) over two axes; None in it keeps the size of "
        "an axis.",
    ),
    Bad(
        lambda: pax.GlobalAvgPool(data_format="NHWC"),
        pax.ArgumentError,
        "GlobalAvgPool got data_format='NHWC'; expected one of 'N...C', 'NC...'.",
        "write data_format='N...C'.",
    ),
    Bad(
        lambda: pax.MaxPool(2),
        pax.ShapeError,
        f"{MAX} got input of shape (4, 3); expected [B, ..., C].",
        "give it one spatial axis or more, between or after batch and channels; x[None] adds the "
        "batch axis.",
        (jnp.ones((4, 3)),),
    ),
    Bad(
        lambda: pax.AdaptiveAvgPool((2,), data_format="NC..."),
        pax.ShapeError,
        "AdaptiveAvgPool(output_shape=(2,), data_format=NC...) got input of shape (2, 4, 4, 3); "
        "expected [B, C, N].",
        "give it 1 spatial axis, between or after batch and channels; x[None] adds the batch axis.",
        IMAGE,
    ),
    Bad(
        lambda: pax.MaxPool(5),
        pax.ShapeError,
        "max_pool got input of shape (2, 4, 4, 3); a window of 5 does not fit an axis of 4 padded "
        "by (0, 0).",
        "use a smaller window, more padding or a larger input.",
        IMAGE,
    ),
    Bad(
        lambda: pax.AvgPool(2, padding=[(2, 0), (0, 0)]),
        pax.ArgumentError,
        "avg_pool got an axis of 4 padded by (2, 0); a window of 2 would hold padding alone.",
        "use less padding on this axis.",
        IMAGE,
    ),
    Bad(
        lambda: pax.AvgPool(2),
        pax.DtypeError,
        f"{MAX.replace('Max', 'Avg')} got input of dtype int32; expected a floating dtype.",
        "convert it first: x.astype(jnp.float32).",
        (jnp.ones((1, 2, 1), jnp.int32),),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
