"""Training and evaluation of a torch module.

Images are kept channels last, which the tuning guide recommends for convolutions on CPUs, and AdamW
is the fused one, which its documentation calls the fastest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.batches import batch
from benchmarks.sizes import LEARNING_RATE, WEIGHT_DECAY, Sizes


def tensor(x: np.ndarray) -> Tensor:
    """Returns an array as a tensor; images as [B, C, H, W], still channels last in memory."""
    return torch.from_numpy(x).permute(0, 3, 1, 2) if x.ndim == 4 else torch.from_numpy(x)


class Task:
    """A model with its data; `construct` makes it."""

    model: nn.Module
    optimizer: torch.optim.Optimizer | None

    def __init__(self, build: Callable[[Any], nn.Module], sizes: Sizes) -> None:
        self.build, self.sizes = build, sizes
        self.x, self.target = map(tensor, batch(sizes))

    def draw(self) -> None:
        torch.manual_seed(0)
        self.model = self.build(self.sizes).to(memory_format=torch.channels_last)

    def abstract(self) -> nn.Module:
        with torch.device("meta"):
            return self.build(self.sizes)

    def construct(self) -> None:
        self.draw()
        params = list(self.model.parameters())  # torch has no optimizer of nothing
        self.optimizer = (
            torch.optim.AdamW(params, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
            if params
            else None
        )

    def step(self) -> float:
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.mse_loss(self.model(self.x), self.target)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def evaluate(self) -> None:
        self._predict()

    def outputs(self) -> np.ndarray:
        return self._predict().numpy()

    def lowered(self) -> None:
        return None  # runs operation by operation

    def _predict(self) -> Tensor:
        self.model.eval()
        with torch.inference_mode():
            return self.model(self.x)
