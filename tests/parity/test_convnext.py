"""Parity of ConvNeXt: outputs, and every array after steps of training."""

from __future__ import annotations

import pytest

import pax
from tests.parity import torch_convnext
from tests.parity.compare import normal
from tests.parity.nets import assert_same_in_float32, assert_trains_like_torch

C, CLASSES = 3, 5


@pytest.mark.slow  # a kernel of 7x7 takes long to compile
@pytest.mark.parametrize(
    ("blocks", "channels", "data_format"),
    [
        ((1,), (4,), "NCHW"),
        ((2, 1, 2), (4, 6, 8), "NHWC"),
    ],
)
def test_convnext(blocks: tuple[int, ...], channels: tuple[int, ...], data_format: str) -> None:
    assert_trains_like_torch(
        pax.nets.ConvNeXt(
            C,
            CLASSES,
            blocks_per_group=blocks,
            channels_per_group=channels,
            drop_path_rate=0.0,
            data_format=data_format,
        ),
        torch_convnext.ConvNeXt(C, CLASSES, blocks, channels),
        lambda seed: (normal(3, C, 24, 17, seed=seed),),  # 17: the last column is left out
        lambda seed: normal(3, CLASSES, seed=seed),
        data_format=data_format,
    )


@pytest.mark.slow
def test_outputs_of_the_tiny_one_in_float32() -> None:
    assert_same_in_float32(
        pax.nets.ConvNeXt(C, 1000),
        torch_convnext.ConvNeXt(C, 1000, (3, 3, 9, 3), (96, 192, 384, 768)),
        normal(2, C, 64, 64),
    )
