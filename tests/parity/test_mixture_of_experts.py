"""Parity of the mixture of experts with a loop over tokens: outputs, loss and gradients."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

import pax
from tests.parity.compare import assert_like_torch, normal

N, D, O, E = 11, 4, 3, 5  # noqa: E741
SLOW = pytest.mark.slow


def loop(
    p: dict[str, torch.Tensor], x: torch.Tensor, k: int, normalize: bool, factor: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sends the tokens to experts one by one: all first choices, then all second ones."""
    capacity = N * k if factor is None else math.ceil(factor * N * k / E)
    logits = [token @ p["router.weight"] for token in x]
    ranked = [np.argsort(-z.detach().numpy(), kind="stable")[:k] for z in logits]
    y = [torch.zeros(O, dtype=x.dtype) for _ in x]
    taken, chosen = [0] * E, [0] * E
    for choice, n in itertools.product(range(k), range(N)):
        e = int(ranked[n][choice])
        chosen[e] += 1
        if taken[e] == capacity:
            continue
        taken[e] += 1
        among = ranked[n] if normalize else range(E)
        gate = logits[n][e].exp() / sum(logits[n][int(i)].exp() for i in among)
        weight, bias = p["experts.stacked.weight"][e], p["experts.stacked.bias"][e]
        y[n] = y[n] + gate * (x[n] @ weight + bias)
    means = [sum(z[e].exp() / z.exp().sum() for z in logits) / N for e in range(E)]
    loss = E * sum(c / (N * k) * mean for c, mean in zip(chosen, means, strict=True))
    assert sum(chosen) == N * k
    assert (sum(taken) < N * k) == (factor is not None)  # something is dropped where it may be
    return torch.stack(y), torch.as_tensor(loss)


@pytest.mark.parametrize("dispatch", ["sorted", pytest.param("dense", marks=SLOW)])
@pytest.mark.parametrize(
    ("k", "normalize", "factor"),
    [
        pytest.param(2, True, None, marks=SLOW),
        (2, True, 0.6),
        pytest.param(1, False, None, marks=SLOW),
        pytest.param(1, False, 0.6, marks=SLOW),
        pytest.param(5, True, None, marks=SLOW),
        pytest.param(3, False, 1.0, marks=SLOW),
    ],
)
def test_outputs_loss_and_gradients(
    dispatch: str, k: int, normalize: bool, factor: float | None
) -> None:
    def called(layer: Any, x: Any) -> tuple[Any, Any]:
        y = layer(x)
        return y, layer.balance_loss

    assert_like_torch(
        lambda: pax.MixtureOfExperts(
            D,
            E,
            lambda: pax.Linear(D, O),
            top_k=k,
            normalize_gates=normalize,
            capacity_factor=factor,
            dispatch=dispatch,
        ),
        [normal(N, D)],
        lambda p, x: loop(p, x, k, normalize, factor),
        call=called,
    )
