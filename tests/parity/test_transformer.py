"""Parity of the Transformer: outputs and gradients, with and without padding."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn import functional as F

import pax
from tests.nn.run import called
from tests.parity.compare import assert_like_torch, named_parameters, normal, randomized

B, T, D, H, L = 2, 5, 8, 2, 2
#: The first sequence is padded at its end; the second at its start, where nothing can be seen.
PADDING = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]], bool)


def theirs(p: dict[str, torch.Tensor], x: torch.Tensor, mask: np.ndarray | None) -> torch.Tensor:
    """Computes the network in torch, from arrays named as in pax."""

    def dense(name: str, x: torch.Tensor) -> torch.Tensor:
        return x @ p[f"{name}.weight"] + p[f"{name}.bias"]

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, (D,), p[f"{name}.scale"], p[f"{name}.offset"])

    def heads(x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (H, D // H)).transpose(1, 2)  # [B, H, T, K]

    seen = torch.ones(T, T, dtype=torch.bool).tril().expand(B, 1, T, T)
    if mask is not None:
        seen = seen & torch.tensor(mask)[:, None, None]
    for i in range(L):
        layer = f"layers.{i}"
        y = norm(f"{layer}.attn_layer_norm", x)
        q, k, v = (
            heads(dense(f"{layer}.attention.{part}_projection", y))
            for part in ("query", "key", "value")
        )
        y = F.scaled_dot_product_attention(q, k, v, seen)
        y = torch.where(seen.any(-1, keepdim=True), y, 0.0)  # nothing seen, nothing added
        y = y.transpose(1, 2).flatten(-2)
        x = x + dense(f"{layer}.attention.output_projection", y)
        y = dense(f"{layer}.dense_block.fc1", norm(f"{layer}.dense_layer_norm", x))
        x = x + dense(f"{layer}.dense_block.fc2", F.gelu(y, approximate="tanh"))
    return norm("layer_norm_output", x)


@pytest.mark.parametrize("mask", [None, PADDING], ids=["no mask", "padding"])
def test_outputs_and_gradients(mask: np.ndarray | None) -> None:
    assert_like_torch(
        lambda: pax.nets.Transformer(D, H, L, 0.3).eval(),
        [normal(B, T, D)],
        lambda p, x: theirs(p, x, mask),
        call=lambda net, x: net(x, mask),
    )


@pytest.mark.parametrize("mask", [None, PADDING], ids=["no mask", "padding"])
def test_outputs_in_float32(mask: np.ndarray | None) -> None:
    net: Any = randomized(pax.nets.Transformer(D, H, L, 0.0))
    x = normal(B, T, D).astype(np.float32)
    arrays = {path: torch.tensor(value) for path, value in named_parameters(net).items()}
    found = called(net, jnp.asarray(x), *([] if mask is None else [mask]))
    expected = theirs(arrays, torch.tensor(x), mask).numpy()
    assert found.dtype == expected.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert len(arrays) == len(jax.tree.leaves(net)) - 1  # all but the key
