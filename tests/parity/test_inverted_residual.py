"""Parity of MobileNetV2 and EfficientNet: outputs, and every array after steps of training."""

from __future__ import annotations

from typing import Any

import pytest

import pax
from tests.parity.compare import normal
from tests.parity.nets import assert_same_in_float32, assert_trains_like_torch
from tests.parity.torch_inverted_residual import Network

C, CLASSES, SIZE = 3, 5, 10
STAGES = ((1, 32, 1, 1, 3), (2, 32, 2, 2, 5))
WIDTH = 0.25  # eight channels
#: As the papers have them.
MOBILE = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 32, 3, 2, 3),
    (6, 64, 4, 2, 3),
    (6, 96, 3, 1, 3),
    (6, 160, 3, 2, 3),
    (6, 320, 1, 1, 3),
)
EFFICIENT = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def assert_trains(ours: Any, theirs: Network) -> None:
    assert_trains_like_torch(
        ours,
        theirs,
        lambda seed: (normal(3, C, SIZE, SIZE, seed=seed),),
        lambda seed: normal(3, CLASSES, seed=seed),
        data_format=ours.data_format,
        still=("project.norm.offset",),  # the next norm takes it away
    )


@pytest.mark.slow
@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_efficientnet(data_format: str) -> None:
    options: Any = {"width": WIDTH, "stages": STAGES, "dropout_rate": 0.0, "drop_path_rate": 0.0}
    assert_trains(
        pax.nets.EfficientNet(C, CLASSES, data_format=data_format, **options),
        Network(C, CLASSES, STAGES, efficient=True, width=WIDTH),
    )


@pytest.mark.slow
@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_mobilenet_v2(data_format: str) -> None:
    options: Any = {"width": WIDTH, "stages": STAGES, "dropout_rate": 0.0}
    assert_trains(
        pax.nets.MobileNetV2(C, CLASSES, data_format=data_format, **options),
        Network(C, CLASSES, STAGES, efficient=False, width=WIDTH),
    )


@pytest.mark.slow
def test_outputs_in_float32() -> None:
    x = normal(2, C, 64, 64)
    assert_same_in_float32(
        pax.nets.MobileNetV2(C, 1000), Network(C, 1000, MOBILE, efficient=False), x
    )
    assert_same_in_float32(
        pax.nets.EfficientNet(C, 1000), Network(C, 1000, EFFICIENT, efficient=True), x
    )
    scaled = {"width": 1.1, "depth": 1.2}  # B2
    assert_same_in_float32(
        pax.nets.EfficientNet(C, 10, **scaled),
        Network(C, 10, EFFICIENT, efficient=True, **scaled),
        x,
    )
