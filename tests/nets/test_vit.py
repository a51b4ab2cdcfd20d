"""Vision transformers: sizes, and errors."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

SIZES: Any = {"image_size": 8, "patch_size": 4, "dim": 8, "num_heads": 2, "num_layers": 2}


def test_the_published_size() -> None:
    """B/16 with 1000 classes has 86.6 million parameters."""
    net: Any = jax.eval_shape(lambda: pax.nets.ViT(3, 1000, rng_key=jax.random.key(0)))
    assert sum(x.size for x in jax.tree.leaves(net.parameters())) == 86_567_656


@pytest.mark.slow
def test_scores_of_a_new_network_are_zero() -> None:
    images = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(pax.nets.ViT(3, 5, **SIZES)(images), np.zeros((2, 5)))


@each(
    Bad(
        lambda: pax.nets.ViT(3, 5, image_size=(8, 9), patch_size=4),
        pax.ArgumentError,
        "ViT got patch_size=4, which does not divide image_size=(8, 9).",
        "choose a patch that divides height and width, or pad the images.",
    ),
    Bad(
        lambda: pax.nets.ViT(3, 5, **SIZES),
        pax.ShapeError,
        "ViT(input_channels=3, num_classes=5, image_size=(8, 8), patch_size=(4, 4), num_layers=2, "
        "data_format=NCHW) got images of shape (2, 3, 8, 12): height and width (8, 12) in NCHW; "
        "expected (8, 8).",
        "resize the images, or build the network with their image_size and data_format.",
        (np.ones((2, 3, 8, 12), np.float32),),
    ),
)
def test_errors(bad: Bad) -> None:
    bad.check()
