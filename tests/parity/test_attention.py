"""Parity of attention with several heads, with every form of mask."""

from __future__ import annotations

from typing import Any

import haiku as hk
import numpy as np
import pytest
import torch

import pax
from tests.parity.compare import assert_like_jax, assert_like_torch, normal

B, T, S, H, K = 2, 3, 5, 2, 4
INPUTS = [normal(B, T, H * K), normal(B, S, H * K, seed=2), normal(B, S, H * K, seed=3)]
PARTS = ("query", "key", "value")


def random_mask(*shape: int) -> np.ndarray:
    """Returns a mask in which every query place may see something."""
    mask = np.random.default_rng(shape).random(shape) < 0.5
    mask[..., 0] = True
    return mask


MASKS = {
    "none": None,
    "[T, S]": random_mask(T, S),
    "[B, 1, T, S]": random_mask(B, 1, T, S),
    "[B, H, T, S]": random_mask(B, H, T, S),
    "[1, 1, T, S]": random_mask(1, 1, T, S),
    "[1, H, 1, S]": random_mask(1, H, 1, S),
}


def theirs(p: dict[str, torch.Tensor], query: Any, key: Any, value: Any, mask: Any) -> Any:
    """Computes the layer with torch's; its masks tell what may *not* be seen."""
    layer = torch.nn.MultiheadAttention(H * K, H, batch_first=True)
    weights = {
        "in_proj_weight": torch.cat([p[f"{part}_projection.weight"].T for part in PARTS]),
        "in_proj_bias": torch.cat([p[f"{part}_projection.bias"] for part in PARTS]),
        "out_proj.weight": p["output_projection.weight"].T,
        "out_proj.bias": p["output_projection.bias"],
    }
    options: dict[str, Any] = {"need_weights": False}
    if mask is not None:
        seen = np.broadcast_to(mask, (len(query), H, T, S)).reshape(-1, T, S)
        options["attn_mask"] = ~torch.tensor(seen)
    return torch.func.functional_call(layer, weights, (query, key, value), options)[0]


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_masks(mask: np.ndarray | None) -> None:
    assert_like_torch(
        lambda: pax.MultiHeadAttention(H, K, 1.0),
        INPUTS,
        lambda p, *xs: theirs(p, *xs, mask),
        call=lambda module, *xs: module(*xs, mask),
    )


def test_without_a_batch_axis() -> None:
    mask = MASKS["[T, S]"]
    assert_like_torch(
        lambda: pax.MultiHeadAttention(H, K, 1.0),
        [x[0] for x in INPUTS],
        lambda p, *xs: theirs(p, *(x[None] for x in xs), mask)[0],
        call=lambda module, *xs: module(*xs, mask),
    )


def test_haiku() -> None:
    init = hk.initializers.Constant(0.0)
    mask = MASKS["[B, H, T, S]"]
    network = hk.without_apply_rng(
        hk.transform(lambda *xs: hk.MultiHeadAttention(H, K, w_init=init, name="a")(*xs, mask))
    )

    def haiku(p: dict[str, Any], *xs: Any) -> Any:
        names = {"query": "query", "key": "key", "value": "value", "output": "linear"}
        weights = {
            f"a/{name}": {
                "w": p[f"{part}_projection.weight"],
                "b": p[f"{part}_projection.bias"],
            }
            for part, name in names.items()
        }
        return network.apply(weights, *xs)

    assert_like_jax(
        lambda: pax.MultiHeadAttention(H, K, 1.0),
        INPUTS,
        haiku,
        call=lambda module, *xs: module(*xs, mask),
    )
