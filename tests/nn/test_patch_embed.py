"""Patches of images: their order, and what is refused."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_patches_go_from_left_to_right_then_down(data_format: str) -> None:
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 4, 9, 2)).astype(np.float32)
    layer: Any = pax.PatchEmbed(2, 5, (2, 3), data_format=data_format)
    weight = rng.standard_normal((2, 3, 2, 5)).astype(np.float32)
    bias = rng.standard_normal(5).astype(np.float32)
    projection = layer.projection.replace(
        weight=jnp.asarray(weight), bias=jnp.asarray(bias).reshape(layer.projection.bias.shape)
    )
    layer = layer.replace(projection=projection)
    y = called(layer, image if data_format == "NHWC" else np.moveaxis(image, -1, 1))
    expected = [
        np.einsum("bijc,ijcd->bd", image[:, i : i + 2, j : j + 3], weight) + bias
        for i in (0, 2)
        for j in (0, 3, 6)
    ]
    np.testing.assert_allclose(y, np.stack(expected, axis=1), rtol=1e-4, atol=1e-5)


def test_no_images() -> None:
    assert pax.PatchEmbed(2, 5, 2)(jnp.ones((0, 4, 4, 2))).shape == (0, 4, 5)


SHOWN = "PatchEmbed(in_features=2, embed_dim=5, patch_size=(2, 3), data_format=NHWC)"


@each(
    Bad(
        lambda: pax.PatchEmbed(2, 5, (2, 3)),
        pax.ShapeError,
        f"{SHOWN} got images of 4 x 8, of which (2, 3) is no part.",
        "resize or pad the images to a multiple of the patch.",
        (np.ones((1, 4, 8, 2), np.float32),),
    ),
    Bad(
        lambda: pax.PatchEmbed(2, 5, (2, 3)),
        pax.ShapeError,
        f"{SHOWN} got input of shape (1, 2, 4, 6): 6 channels in NHWC; expected 2.",
        "build the layer with in_features=6, or with the data_format of the input.",
        (np.ones((1, 2, 4, 6), np.float32),),
    ),
)
def test_errors(bad: Bad) -> None:
    bad.check()
