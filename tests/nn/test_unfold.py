"""Windows side by side and back, and the blur, as layers: numbers by hand, errors."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called

ROW = jnp.array([3.0, 1.0, 4.0, 5.0]).reshape(1, 4, 1)


def test_by_hand() -> None:
    layer = pax.Unfold(2, 2, [(1, 1)])
    np.testing.assert_array_equal(called(layer, ROW)[0], [[0, 3], [1, 4], [5, 0]])
    back = called(pax.Fold((4,), 2, 2, [(1, 1)]), layer(ROW))
    np.testing.assert_array_equal(back, ROW)
    assert called(pax.Fold((3,), 2), jnp.ones((1, 2, 2))).ravel().tolist() == [1.0, 2.0, 1.0]
    assert called(pax.BlurPool(3, 2), ROW).ravel().tolist() == [2.0, 3.5]


def test_channels_first_and_several_axes() -> None:
    x = jnp.asarray(np.random.default_rng(0).standard_normal((2, 4, 6, 3)), jnp.float32)
    first = jnp.moveaxis(x, -1, 1)
    patches = called(pax.Unfold((2, 3), (2, 3)), x)
    assert patches.shape == (2, 4, 18)
    turned = called(pax.Unfold((2, 3), (2, 3), data_format="NC..."), first)
    np.testing.assert_array_equal(turned, patches.mT)
    np.testing.assert_array_equal(called(pax.Fold((4, 6), (2, 3), (2, 3)), patches), x)
    blurred = called(pax.BlurPool((3, 1), (1, 2)), x)
    assert blurred.shape == (2, 4, 3, 3)
    found = called(pax.BlurPool((3, 1), (1, 2), data_format="NC..."), first)
    np.testing.assert_array_equal(jnp.moveaxis(found, 1, -1), blurred)


def test_printed_forms() -> None:
    assert repr(pax.Unfold(2, name="patches")) == (
        "(patches) Unfold(window_shape=2, strides=1, padding=VALID, data_format=N...C)"
    )
    assert repr(pax.Fold([4, 4], 2, 2)) == (
        "Fold(spatial_shape=(4, 4), window_shape=2, strides=2, padding=VALID, data_format=N...C)"
    )
    assert repr(pax.BlurPool(3, (2, 2))) == (
        "BlurPool(window_shape=3, strides=(2, 2), data_format=N...C)"
    )


@each(
    Bad(
        lambda: pax.Fold(4, 2),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Fold got spatial_shape=4; expected a size for each spatial axis.",
        "write spatial_shape=(8, 8) for an image of 8 x 8.",
    ),
    Bad(
        lambda: pax.Fold((4, 4), 2, (2,)),
        pax.ArgumentError,
        "Fold got entries for different numbers of spatial axes: 2 for spatial_shape and 1 for "
        "strides.",
        "give each of them one entry for each axis, or one integer for all.",
    ),
    Bad(
        lambda: pax.Fold((4,), 2),
        pax.ShapeError,
        "fold got x of shape (1, 4, 1); expected [B, 3, C * 2]: 3 windows of 2 entries for an "
        "image of 4.",
        "give it the spatial_shape, window_shape, strides, padding and rate of the unfold.",
        (ROW,),
    ),
    Bad(
        lambda: pax.Unfold(5),
        pax.ShapeError,
        "unfold got input of shape (1, 4, 1); a window of 5 does not fit an axis of 4 padded by "
        "(0, 0).",
        "use a smaller window, more padding or a larger input.",
        (ROW,),
    ),
    Bad(
        lambda: pax.BlurPool((3, 3), 2),
        pax.ShapeError,
        "BlurPool(window_shape=(3, 3), strides=2, data_format=N...C) got input of shape (1, 4, 1); "
        "expected [B, N, N, C].",
        "give it 2 spatial axes, between or after batch and channels; x[None] adds the batch axis.",
        (ROW,),
    ),
    Bad(
        lambda: pax.BlurPool(3, 0),
        pax.ArgumentError,
        "BlurPool got strides=0; expected a positive integer, or one for each spatial axis.",
        "write strides=2, or strides=(2, 2) over two axes.",
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
