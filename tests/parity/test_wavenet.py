"""Parity of WaveNet with a statement of it in torch: outputs and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import pax
from tests.nn.run import called
from tests.parity.compare import assert_like_torch, normal

CLASSES, C, S, D, B, T = 5, 3, 4, 2, 2, 15
Arrays = dict[str, Tensor]


def dense(p: Arrays, name: str, x: Tensor) -> Tensor:
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def wavenet(p: Arrays, samples: Tensor, condition: Tensor | None = None) -> Tensor:
    """Computes the logits from arrays named as in pax: two stacks of two layers, kernels of 3."""
    x, total = p["embed.weight"][samples], torch.zeros(())
    for i, rate in enumerate((1, 2, 1, 2)):
        kernel = p[f"layers.{i}.conv.weight"].permute(2, 1, 0)
        h = F.conv1d(F.pad(x.mT, (2 * rate, 0)), kernel, p[f"layers.{i}.conv.bias"], dilation=rate)
        h = h.mT
        if condition is not None:
            h = h + condition @ p[f"layers.{i}.condition.weight"]
        h = h[..., :C].tanh() * h[..., C:].sigmoid()
        total = total + dense(p, f"layers.{i}.skip", h)
        if i < 3:
            x = x + dense(p, f"layers.{i}.residual", h)
    return dense(p, "output2", F.relu(dense(p, "output1", F.relu(total))))


def network(condition_dim: int | None = None) -> Any:
    sizes: Any = {"channels": C, "layers_per_stack": 2, "stacks": 2, "kernel_size": 3}
    return pax.nets.WaveNet(CLASSES, **sizes, skip_channels=S, condition_dim=condition_dim)


def samples() -> np.ndarray:
    return np.random.default_rng(0).integers(CLASSES, size=(B, T), dtype=np.int32)


@pytest.mark.slow
@pytest.mark.parametrize("condition_dim", [None, D])
def test_logits_and_gradients(condition_dim: int | None) -> None:
    inputs = [samples()] + ([] if condition_dim is None else [normal(B, T, D)])
    assert_like_torch(lambda: network(condition_dim), inputs, wavenet)


def test_no_sample_sees_a_later_one_or_beyond_the_receptive_field() -> None:
    net, x = network(), samples()
    before, after = (called(net, y) for y in (x, np.where(np.arange(T) == 0, (x + 1) % CLASSES, x)))
    is_other = (np.asarray(before) != np.asarray(after)).any((0, 2))
    # two stacks of dilations 1 and 2, kernels of 3: 12 samples back
    assert is_other.tolist() == [t <= 12 for t in range(T)]
    before, after = (called(net, y) for y in (x, np.where(np.arange(T) == 6, (x + 1) % CLASSES, x)))
    is_other = (np.asarray(before) != np.asarray(after)).any((0, 2))
    assert is_other.tolist() == [t >= 6 for t in range(T)]
