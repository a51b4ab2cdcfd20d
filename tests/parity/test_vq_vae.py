"""Parity of the VQ-VAE: outputs, and every array after steps of training."""

from __future__ import annotations

from typing import Any

import pytest

import pax
from tests.parity import torch_vq_vae
from tests.parity.compare import normal
from tests.parity.nets import assert_same_in_float32, assert_trains_like_torch, squares

C, HIDDEN, INSIDE, BLOCKS, CODES, DIM, DECAY = 3, 6, 4, 2, 8, 5, 0.8


def bound(outputs: Any, target: Any) -> Any:
    """Returns the loss of the paper, in either library."""
    images, _, commitment = outputs
    return squares(images, target) + 0.25 * commitment.mean()


@pytest.mark.slow
@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_vq_vae(data_format: str) -> None:
    assert_trains_like_torch(
        pax.nets.VQVAE(
            C,
            num_codes=CODES,
            code_dim=DIM,
            hidden_channels=HIDDEN,
            residual_channels=INSIDE,
            num_blocks=BLOCKS,
            decay_rate=DECAY,
            data_format=data_format,
        ),
        torch_vq_vae.VQVAE(C, HIDDEN, INSIDE, BLOCKS, CODES, DIM, DECAY),
        lambda seed: (normal(3, C, 12, 8, seed=seed),),
        lambda seed: normal(3, C, 12, 8, seed=seed),
        loss=bound,
        data_format=data_format,
    )


@pytest.mark.slow
def test_outputs_in_float32() -> None:
    assert_same_in_float32(
        pax.nets.VQVAE(C, hidden_channels=64, residual_channels=32),
        torch_vq_vae.VQVAE(C, 64, 32, 2, 512, 64, 0.99),
        normal(2, C, 32, 32),
    )
