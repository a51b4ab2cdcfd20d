"""WaveNet and CRNN: what they refuse."""

from __future__ import annotations

import numpy as np

import pax
from tests.nn.bad import Bad, each

SIZES = {"channels": 2, "layers_per_stack": 1, "stacks": 1, "skip_channels": 2}
SAMPLES = np.zeros((2, 6), np.int32)
WAVENET = "WaveNet(num_classes=5, channels=2, num_layers=1"


def wavenet(condition_dim: int | None) -> pax.nets.WaveNet:
    return pax.nets.WaveNet(5, **SIZES, condition_dim=condition_dim)


def crnn() -> pax.nets.CRNN:
    return pax.nets.CRNN(1, 3, base_channels=1, hidden_dim=2)


@each(
    Bad(
        lambda: pax.nets.WaveNet(5, condition_dim=0),
        pax.ArgumentError,
        "WaveNet got condition_dim=0; expected an integer of at least 1.",
        "set condition_dim to a positive integer.",
    ),
    Bad(
        lambda: wavenet(None),
        pax.ShapeError,
        f"{WAVENET}) got samples of shape (6,); expected [B, T].",
        "add the batch axis with x[None].",
        (SAMPLES[0],),
    ),
    Bad(
        lambda: wavenet(3),
        pax.ArgumentError,
        f"{WAVENET}, condition_dim=3) got no condition; expected condition_dim=3.",
        "pass one of width condition_dim.",
        (SAMPLES,),
    ),
    Bad(
        lambda: wavenet(None),
        pax.ArgumentError,
        f"{WAVENET}) got a condition; expected condition_dim=None.",
        "build the network with its width as condition_dim.",
        (SAMPLES, np.zeros((2, 6, 3), np.float32)),
    ),
    Bad(
        lambda: wavenet(3),
        pax.ShapeError,
        f"{WAVENET}, condition_dim=3) got condition of shape (2, 3, 3) with samples of shape "
        "(2, 6); expected (2, 6, 3).",
        "repeat each frame of it for all of its samples: jnp.repeat(frames, hop, axis=1).",
        (SAMPLES, np.zeros((2, 3, 3), np.float32)),
    ),
    Bad(
        lambda: pax.nets.CRNN(1, 3, data_format="NWHC"),
        pax.ArgumentError,
        "CRNN got data_format='NWHC'; expected one of 'NCHW', 'NHWC'.",
        "write data_format='NCHW'.",
    ),
    *(
        Bad(
            crnn,
            pax.ShapeError,
            "CRNN(input_channels=1, num_classes=3, data_format=NCHW) got images of shape "
            f"{shape}; expected NCHW, height 32, width at least 8, 1 channels.",
            "resize lines to a height of 32 with pax.functional.resize.",
            (np.zeros(shape, np.float32),),
        )
        for shape in ((2, 1, 31, 40), (2, 1, 32, 7), (2, 3, 32, 40), (1, 32, 40))
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
