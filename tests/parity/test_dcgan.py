"""Parity of the networks of a DCGAN: outputs, and every array after steps of training."""

from __future__ import annotations

import pytest

import pax
from tests.parity import torch_dcgan
from tests.parity.compare import normal
from tests.parity.nets import assert_same_in_float32, assert_trains_like_torch

Z, C, BASE, SIZE = 5, 3, 4, 16
FORMATS = ["NCHW", pytest.param("NHWC", marks=pytest.mark.slow)]


@pytest.mark.slow
@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_generator(data_format: str) -> None:
    assert_trains_like_torch(
        pax.nets.DCGANGenerator(Z, C, image_size=SIZE, base_channels=BASE, data_format=data_format),
        torch_dcgan.Generator(Z, C, BASE),
        lambda seed: (normal(3, Z, seed=seed),),
        lambda seed: normal(3, C, SIZE, SIZE, seed=seed),
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
        lambda seed: normal(3, seed=seed),
        data_format=data_format,
    )


@pytest.mark.slow
def test_outputs_in_float32() -> None:
    sizes = {"image_size": SIZE, "base_channels": 64}
    assert_same_in_float32(
        pax.nets.DCGANGenerator(100, C, **sizes),
        torch_dcgan.Generator(100, C, 64),
        normal(2, 100),
    )
    assert_same_in_float32(
        pax.nets.DCGANDiscriminator(C, **sizes),
        torch_dcgan.Discriminator(C, 64),
        normal(2, C, SIZE, SIZE),
    )
