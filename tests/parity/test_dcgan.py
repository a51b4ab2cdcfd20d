"""Parity of the networks of a DCGAN: outputs, and every array after steps of training."""

from __future__ import annotations

import pytest

import pax
from tests.parity import torch_dcgan
from tests.parity.compare import normal
from tests.parity.nets import assert_trains_like_torch

Z, C, BASE, SIZE = 5, 3, 4, 16
FORMATS = ["NCHW", pytest.param("NHWC", marks=pytest.mark.slow)]


@pytest.mark.parametrize("data_format", FORMATS)
def test_generator(data_format: str) -> None:
    assert_trains_like_torch(
        pax.nets.DCGANGenerator(
            Z, C, image_size=SIZE, base_channels=BASE, data_format=data_format
        ),
        torch_dcgan.Generator(Z, C, BASE),
        lambda seed: (normal(3, Z, seed=seed),),
        data_format=data_format,
    )


@pytest.mark.parametrize("data_format", FORMATS)
def test_discriminator(data_format: str) -> None:
    assert_trains_like_torch(
        pax.nets.DCGANDiscriminator(
            C, image_size=SIZE, base_channels=BASE, data_format=data_format
        ),
        torch_dcgan.Discriminator(C, BASE),
        lambda seed: (normal(3, C, SIZE, SIZE, seed=seed),),
        data_format=data_format,
    )
