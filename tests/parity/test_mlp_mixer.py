"""Parity of the MLP-Mixer: outputs, and every array after steps of training."""

from __future__ import annotations

import pytest

import pax
from tests.parity import torch_mlp_mixer
from tests.parity.compare import normal
from tests.parity.nets import assert_same_in_float32, assert_trains_like_torch

C, CLASSES, PATCH = 3, 5, (4, 3)


@pytest.mark.parametrize("data_format", ["NCHW", pytest.param("NHWC", marks=pytest.mark.slow)])
def test_mlp_mixer(data_format: str) -> None:
    sizes = {"dim": 6, "tokens_dim": 5, "channels_dim": 7}
    assert_trains_like_torch(
        pax.nets.MLPMixer(
            C,
            CLASSES,
            image_size=(8, 9),
            patch_size=PATCH,
            num_layers=2,
            data_format=data_format,
            **sizes,
        ),
        torch_mlp_mixer.MLPMixer(C, CLASSES, tokens=6, patch=PATCH, layers=2, **sizes),
        lambda seed: (normal(3, C, 8, 9, seed=seed),),
        lambda seed: normal(3, CLASSES, seed=seed),
        data_format=data_format,
        still=("tokens.layers.1.bias",),  # the same for all channels of a token: norms take it away
    )


@pytest.mark.slow
def test_outputs_of_s_16_in_float32() -> None:
    sizes = {"dim": 512, "tokens_dim": 256, "channels_dim": 2048}
    assert_same_in_float32(
        pax.nets.MLPMixer(C, 1000),
        torch_mlp_mixer.MLPMixer(C, 1000, tokens=196, patch=(16, 16), layers=8, **sizes),
        normal(2, C, 224, 224),
    )
