"""The function of attention that torch has."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.batches import batch
from benchmarks.sizes import Sizes


class AttentionTask:
    """The gradient of a loss to query, key and value; nothing is learned."""

    def __init__(self, sizes: Sizes) -> None:
        x, target = map(torch.from_numpy, batch(sizes))
        self.parts = [part.requires_grad_() for part in x]
        self.target = target

    def construct(self) -> None:
        pass

    def step(self) -> float:
        for part in self.parts:
            part.grad = None
        loss = F.mse_loss(self._attend(), self.target)
        loss.backward()
        return loss.item()

    def evaluate(self) -> None:
        self._predict()

    def outputs(self) -> np.ndarray:
        return self._predict().numpy()

    def lowered(self) -> None:
        return None

    def _attend(self) -> Tensor:
        heads_first = [part.transpose(1, 2) for part in self.parts]  # [B, H, T, K]
        return F.scaled_dot_product_attention(*heads_first, is_causal=True).transpose(1, 2)

    def _predict(self) -> Tensor:
        with torch.inference_mode():
            return self._attend()
