"""The MLP-Mixer: what is mixed where, errors."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import called


def small(**options: Any) -> pax.nets.MLPMixer:
    sizes = {"dim": 4, "num_layers": 2, "tokens_dim": 3, "channels_dim": 6}
    shape = {"image_size": (8, 4), "patch_size": 4}
    return pax.nets.MLPMixer(3, 5, **sizes | shape | options)


def test_scores_start_at_zero() -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 4)).astype(np.float32)
    np.testing.assert_array_equal(called(small(), x), np.zeros((2, 5)))


def test_each_half_mixes_along_one_axis() -> None:
    block = small().blocks[0]
    x = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)

    @jax.jit
    def influence(block: Any, x: Any) -> Any:
        tokens = jax.jacobian(lambda x: block.tokens(x.swapaxes(0, 1)).swapaxes(0, 1))(x)
        return tokens, jax.jacobian(block.channels)(x)  # [token, channel, token, channel] both

    tokens, channels = (np.abs(moved) for moved in influence(block, x))
    np.testing.assert_array_equal(tokens.sum((0, 2)) > 0, np.eye(4, dtype=bool))
    assert (tokens.sum((1, 3)) > 0).all()
    np.testing.assert_array_equal(channels.sum((1, 3)) > 0, np.eye(2, dtype=bool))
    assert (channels.sum((0, 2)) > 0).all()


@pytest.mark.usefixtures("unchecked")
@each(
    Bad(
        lambda: small(patch_size=3),
        pax.ArgumentError,
        "MLPMixer got patch_size=3, which does not divide image_size=(8, 4).",
        "choose a patch that divides height and width, or pad the images.",
    ),
    Bad(
        lambda: small(image_size="8x4"),
        pax.ArgumentError,
        "MLPMixer got image_size='8x4'; expected a positive integer or 2 of them.",
        "write image_size=3 or image_size=(3, 3).",
    ),
    Bad(
        lambda: small(tokens_dim=0),
        pax.ArgumentError,
        "MLPMixer got tokens_dim=0; expected an integer of at least 1.",
        "set tokens_dim to a positive integer.",
    ),
    Bad(
        small,
        pax.ShapeError,
        "MLPMixer(input_channels=3, num_classes=5, image_size=(8, 4), patch_size=(4, 4), "
        "num_layers=2, data_format=NCHW) got images of shape (2, 3, 4, 8): height and width "
        "(4, 8) in NCHW; expected (8, 4).",
        "resize the images, or build the network with their image_size and data_format.",
        (np.zeros((2, 3, 4, 8), np.float32),),
    ),
)
def test_bad_input(bad: Bad) -> None:
    bad.check()
