"""Parity of the U-Net: outputs, and every array after steps of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pax
from tests.parity import torch_unet
from tests.parity.compare import normal
from tests.parity.nets import assert_same_in_float32, assert_trains_like_torch

C, OUT, BASE = 2, 3, 4


def both(data_format: str, multipliers: Any, blocks: int, attention: Any) -> tuple[Any, Any]:
    """Returns a network in pax and in torch."""
    ours = pax.nets.UNet(
        C,
        OUT,
        base_channels=BASE,
        channel_multipliers=multipliers,
        blocks_per_level=blocks,
        attention_levels=attention,
        groups=2,
        data_format=data_format,
    )
    theirs = torch_unet.UNet(
        C,
        OUT,
        base=BASE,
        multipliers=multipliers,
        blocks=blocks,
        attention=attention,
        groups=2,
    )
    return ours, theirs


#: All keys at once move all scores alike, and softmax takes that away.
STILL = ("key_projection.bias",)


def times(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1000, 2)


@pytest.mark.slow
def test_one_level() -> None:
    assert_trains_like_torch(
        *both("NCHW", (1,), 1, ()),
        lambda seed: (normal(2, C, 4, 3, seed=seed), times(seed)),
        lambda seed: normal(2, OUT, 4, 3, seed=seed),
        still=STILL,
    )


@pytest.mark.slow
@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_three_levels_and_a_condition(data_format: str) -> None:
    assert_trains_like_torch(
        *both(data_format, (1, 2, 3), 2, (0, 2)),
        lambda seed: (normal(2, C, 8, 4, seed=seed), times(seed), normal(2, 4 * BASE, seed=seed)),
        lambda seed: normal(2, OUT, 8, 4, seed=seed),
        data_format=data_format,
        still=STILL,
    )


@pytest.mark.slow
def test_outputs_of_the_one_for_cifar_10_in_float32() -> None:
    assert_same_in_float32(
        pax.nets.UNet(3),
        torch_unet.UNet(
            3, 3, base=128, multipliers=(1, 2, 2, 2), blocks=2, attention=(1,), groups=32
        ),
        normal(1, 3, 32, 32),
        times(0)[:1],
    )
