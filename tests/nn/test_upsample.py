"""Resizing by a factor, and the sub-pixel shuffle: numbers by hand, edges, errors."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called

ROW = jnp.array([1.0, 5.0, 3.0, 7.0]).reshape(1, 4, 1)


def test_by_hand() -> None:
    assert called(pax.Upsample(2), ROW).ravel().tolist() == [1, 1, 5, 5, 3, 3, 7, 7]
    assert called(pax.Upsample(0.5, "linear"), ROW).ravel().tolist() == [3, 5]
    found = called(pax.Upsample(1.75, "linear", align_corners=True), ROW)
    np.testing.assert_allclose(found.ravel(), [1, 3, 5, 4, 3, 5, 7], rtol=1e-6)
    # the filter of the first output covers three entries: 3/8, 3/8, 1/8 of 7/8
    found = called(pax.Upsample(0.5, "linear", antialias=True), ROW).ravel()
    np.testing.assert_allclose(found[0], (3 * 1 + 3 * 5 + 1 * 3) / 7, rtol=1e-6)


def test_a_scale_for_each_axis() -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 3, 4, 1)), jnp.float32)
    y = called(pax.Upsample((2, 0.5)), x)
    np.testing.assert_array_equal(y, jnp.repeat(x[:, :, ::2], 2, 1))
    first = called(pax.Upsample((2, 0.5), data_format="NC..."), jnp.moveaxis(x, -1, 1))
    np.testing.assert_array_equal(jnp.moveaxis(first, 1, -1), y)
    # a product that rounding has moved
    assert pax.Upsample(0.1)(jnp.ones((1, 30, 1))).shape == (1, 3, 1)


def test_shuffle_there_and_back() -> None:
    x = jnp.arange(24).reshape(1, 2, 3, 4)
    y = pax.PixelShuffle(2)(x)
    assert y.shape == (1, 4, 6, 1)
    np.testing.assert_array_equal(y[0, :2, :2, 0], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(pax.PixelUnshuffle(2)(y), x)
    assert pax.PixelShuffle((1, 4))(x[:0]).shape == (0, 2, 12, 1)


def test_printed_forms() -> None:
    assert repr(pax.Upsample(2, "cubic", name="up")) == (
        "(up) Upsample(scale=2, method=cubic, data_format=N...C)"
    )
    assert repr(pax.PixelShuffle([2, 1], data_format="NC...")) == (
        "PixelShuffle(factor=(2, 1), data_format=NC...)"
    )


@each(
    Bad(
        lambda: pax.Upsample((2, 0)),
        pax.ArgumentError,
        "Upsample got scale=(2, 0); expected a positive number, or one for each spatial axis.",
        "write scale=2, or scale=(2, 2) over two axes.",
    ),
    Bad(
        lambda: pax.Upsample(2, "bilinear"),
        pax.ArgumentError,
        "Upsample got method='bilinear'; expected one of 'nearest', 'nearest-exact', 'linear', "
        "'cubic'.",
        "write method='nearest'.",
    ),
    Bad(
        lambda: pax.Upsample(2, "cubic", align_corners=True, antialias=True),
        pax.ArgumentError,
        "Upsample got method='cubic' with align_corners=True and antialias=True; only one of them "
        "may be, and for 'linear' and 'cubic'.",
        "leave out what does not belong to the method.",
    ),
    Bad(
        lambda: pax.Upsample(1.5),
        pax.ShapeError,
        "Upsample(scale=1.5, method=nearest, data_format=N...C) got input of shape (1, 4, 3, 1); "
        "1.5 times its spatial axes is (6.0, 4.5).",
        "use pax.functional.resize(x, size) with the size that it should have.",
        (jnp.ones((1, 4, 3, 1)),),
    ),
    Bad(
        lambda: pax.Upsample((2, 2)),
        pax.ShapeError,
        "Upsample(scale=(2, 2), method=nearest, data_format=N...C) got input of shape (1, 4, 1); "
        "expected [B, N, N, C].",
        "give it 2 spatial axes, between or after batch and channels; x[None] adds the batch axis.",
        (ROW,),
    ),
    Bad(
        lambda: pax.PixelShuffle(0),
        pax.ArgumentError,
        "PixelShuffle got factor=0; expected a positive integer, or one for each spatial axis.",
        "write factor=2, or factor=(2, 2) over two axes.",
    ),
    Bad(
        lambda: pax.PixelShuffle(2),
        pax.ShapeError,
        "pixel_shuffle got x of shape (1, 4, 1) in N...C: 1 channels, which 2 does not divide.",
        "give it 2 channels for each channel of the output.",
        (ROW,),
    ),
    Bad(
        lambda: pax.PixelUnshuffle(3),
        pax.ShapeError,
        "pixel_unshuffle got x of shape (1, 4, 1): axis 1 has 4 entries, which 3 does not divide.",
        "crop or pad this axis first, or choose another factor.",
        (ROW,),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
