"""Parity with torch's transformer layers, from the same arrays: outputs and gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

import pax
from tests.parity.compare import assert_like_torch, normal

B, T, S, D, H, L, HIDDEN = 2, 5, 4, 8, 2, 2, 12
SLOW = pytest.mark.slow
GELU = partial(jax.nn.gelu, approximate=False)
#: Which places of x, and of a source, hold something.
HELD = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
SOURCE_HELD = np.array([[1, 1, 1, 1], [0, 1, 1, 0]], bool)
BAND = np.abs(np.arange(T)[:, None] - np.arange(T)) < 3

PARTS = {"attention": "self_attn", "cross_attention": "multihead_attn"}
DENSE = {"feed_forward.layers.0": "linear1", "feed_forward.layers.1": "linear2"}


def converted(p: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the arrays of a block under torch's names, in its layouts."""
    new: dict[str, Tensor] = {}
    parts = [part for part in PARTS if f"{part}.query_projection.weight" in p]
    for part in parts:
        three = [f"{part}.{name}_projection" for name in ("query", "key", "value")]
        theirs = PARTS[part]
        new[f"{theirs}.in_proj_weight"] = torch.cat([p[f"{name}.weight"].T for name in three])
        new[f"{theirs}.in_proj_bias"] = torch.cat([p[f"{name}.bias"] for name in three])
        new[f"{theirs}.out_proj.weight"] = p[f"{part}.output_projection.weight"].T
        new[f"{theirs}.out_proj.bias"] = p[f"{part}.output_projection.bias"]
    for ours, theirs in DENSE.items():
        new[f"{theirs}.weight"], new[f"{theirs}.bias"] = p[f"{ours}.weight"].T, p[f"{ours}.bias"]
    for i, part in enumerate([*parts, "feed_forward"], 1):
        new[f"norm{i}.weight"] = p[f"{part}_norm.scale"]
        new[f"norm{i}.bias"] = p[f"{part}_norm.offset"]
    return new


def stacked(p: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the arrays of a stack under torch's names."""
    start = "blocks.stacked."
    new = {}
    for i in range(L):
        layer = {k.removeprefix(start): v[i] for k, v in p.items() if k.startswith(start)}
        new |= {f"layers.{i}.{name}": value for name, value in converted(layer).items()}
    if "norm.scale" in p:
        new |= {"norm.weight": p["norm.scale"], "norm.bias": p["norm.offset"]}
    return new


def called(net: nn.Module, convert: Callable[..., Any], **options: Any) -> Callable[..., Tensor]:
    """Returns a reference that calls a module of torch with arrays of ours."""
    net = net.double()

    def reference(p: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        new = convert(p)
        assert {k: v.shape for k, v in new.items()} == {
            k: v.shape for k, v in net.named_parameters()
        }
        return functional_call(net, new, inputs, options)

    return reference


def options(norm_first: bool, activation: str) -> dict[str, Any]:
    """Returns the arguments of layers of torch."""
    return {
        "dim_feedforward": HIDDEN,
        "dropout": 0.0,
        "activation": activation,
        "batch_first": True,
        "norm_first": norm_first,
    }


def block(cross: bool, **rest: Any) -> pax.TransformerBlock:
    """Builds a block."""
    return pax.TransformerBlock(
        pax.MultiHeadAttention(H, D // H, 1.0),
        pax.MLP((D, HIDDEN, D), GELU),
        cross_attention=pax.MultiHeadAttention(H, D // H, 1.0) if cross else None,
        **rest,
    )


@SLOW
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("masked", [False, True])
def test_encoder_layer(norm_first: bool, masked: bool) -> None:
    mask = HELD[:, None, None] & BAND if masked else None
    theirs = {"src_mask": torch.tensor(~BAND), "src_key_padding_mask": torch.tensor(~HELD)}
    assert_like_torch(
        lambda: block(False, norm_first=norm_first),
        [normal(B, T, D)],
        called(
            nn.TransformerEncoderLayer(D, H, **options(norm_first, "gelu")),
            converted,
            **theirs if masked else {},
        ),
        call=lambda net, x: net(x, mask=mask),
    )


@pytest.mark.parametrize("norm_first", [True, pytest.param(False, marks=SLOW)])
@pytest.mark.parametrize("masked", [pytest.param(False, marks=SLOW), True])
def test_decoder_layer(norm_first: bool, masked: bool) -> None:
    theirs = {"memory_key_padding_mask": torch.tensor(~SOURCE_HELD)} if masked else {}
    causal = torch.ones(T, T, dtype=torch.bool).triu(1)
    assert_like_torch(
        lambda: block(True, norm_first=norm_first, is_causal=True),
        [normal(B, T, D), normal(B, S, D)],
        called(
            nn.TransformerDecoderLayer(D, H, **options(norm_first, "gelu")),
            converted,
            tgt_mask=causal,
            **theirs,
        ),
        call=lambda net, *xs: net(*xs, source_mask=SOURCE_HELD if masked else None),
    )


@SLOW
@pytest.mark.parametrize("norm_first", [True, False])
def test_encoder(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(D, H, **options(norm_first, "relu"))
    norm = nn.LayerNorm(D) if norm_first else None
    net = nn.TransformerEncoder(layer, L, norm, enable_nested_tensor=False)
    assert_like_torch(
        lambda: pax.TransformerEncoder(
            D, H, L, hidden_dim=HIDDEN, activation=jax.nn.relu, norm_first=norm_first
        ),
        [normal(B, T, D)],
        called(net, stacked, src_key_padding_mask=torch.tensor(~HELD)),
        call=lambda net, x: net(x, HELD[:, None, None]),
    )


@SLOW
@pytest.mark.parametrize("norm_first", [True, False])
def test_decoder(norm_first: bool) -> None:
    layer = nn.TransformerDecoderLayer(D, H, **options(norm_first, "relu"))
    net = nn.TransformerDecoder(layer, L, nn.LayerNorm(D) if norm_first else None)
    causal = torch.ones(T, T, dtype=torch.bool).triu(1)
    assert_like_torch(
        lambda: pax.TransformerDecoder(
            D, H, L, source_dim=D, hidden_dim=HIDDEN, activation=jax.nn.relu, norm_first=norm_first
        ),
        [normal(B, T, D), normal(B, S, D)],
        called(net, stacked, tgt_mask=causal, memory_key_padding_mask=torch.tensor(~SOURCE_HELD)),
        call=lambda net, *xs: net(*xs, source_mask=SOURCE_HELD),
    )
