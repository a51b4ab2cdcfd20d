"""Parity of ViT and BERT with statements of them in torch: outputs and gradients."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import pax
from tests.nn.run import called
from tests.parity.compare import assert_like_torch, named_parameters, normal, randomized

D, H, L, B = 8, 2, 2, 2
Arrays = dict[str, Tensor]


def dense(p: Arrays, name: str, x: Tensor) -> Tensor:
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def norm(p: Arrays, name: str, x: Tensor, eps: float) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], p[f"{name}.scale"], p[f"{name}.offset"], eps)


def attention(p: Arrays, name: str, x: Tensor, seen: Tensor | None) -> Tensor:
    q, k, v = (
        dense(p, f"{name}.{part}_projection", x).unflatten(-1, (H, -1)).transpose(1, 2)
        for part in ("query", "key", "value")
    )
    y = F.scaled_dot_product_attention(q, k, v, seen).transpose(1, 2).flatten(-2)
    return dense(p, f"{name}.output_projection", y)


def feed_forward(p: Arrays, name: str, x: Tensor) -> Tensor:
    return dense(p, f"{name}.layers.1", F.gelu(dense(p, f"{name}.layers.0", x)))


def layer(p: Arrays, i: int) -> Arrays:
    """Returns the arrays of one block."""
    start = "encoder.blocks.stacked."
    return {k.removeprefix(start): v[i] for k, v in p.items() if k.startswith(start)}


def vit(p: Arrays, x: Tensor) -> Tensor:
    """Computes the network from arrays named as in pax; images are channels first."""
    kernel = p["patches.projection.weight"].permute(3, 2, 0, 1)
    x = F.conv2d(x, kernel, p["patches.projection.bias"].flatten(), kernel.shape[2:])
    first = p["class_token"].expand(len(x), 1, D)
    x = torch.cat([first, x.flatten(2).mT], 1) + p["positions.weight"]
    for i in range(L):
        q = layer(p, i)
        x = x + attention(q, "attention", norm(q, "attention_norm", x, 1e-6), None)
        x = x + feed_forward(q, "feed_forward", norm(q, "feed_forward_norm", x, 1e-6))
    return dense(p, "logits", norm(p, "encoder.norm", x, 1e-6)[:, 0])


def bert(p: Arrays, tokens: Tensor, segments: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
    """Computes vectors, pooled vectors and logits."""
    x = F.embedding(tokens, p["tokens.weight"]) + F.embedding(segments, p["segments.weight"])
    x = norm(p, "norm", x + p["positions.weight"][: tokens.shape[1]], 1e-12)
    for i in range(L):
        q = layer(p, i)
        x = norm(q, "attention_norm", x + attention(q, "attention", x, mask[:, None, None]), 1e-12)
        x = norm(q, "feed_forward_norm", x + feed_forward(q, "feed_forward", x), 1e-12)
    y = norm(p, "head_norm", F.gelu(dense(p, "head", x)), 1e-12)
    logits = F.linear(y, p["tokens.weight"], p["head_bias"])
    return x, dense(p, "pooler", x[:, 0]).tanh(), logits


def text(vocab_size: int, length: int) -> list[np.ndarray]:
    """Returns tokens, segments and a mask."""
    rng = np.random.default_rng(0)
    tokens, segments = (rng.integers(n, size=(B, length), dtype=np.int32) for n in (vocab_size, 2))
    lengths = np.array([length, length // 2])
    return [tokens, segments, np.arange(length) < lengths[:, None]]


def small_vit(data_format: str) -> pax.nets.ViT:
    sizes: Any = {"dim": D, "num_heads": H, "num_layers": L, "hidden_dim": 12, "dropout_rate": 0.1}
    net = pax.nets.ViT(3, 5, image_size=(8, 9), patch_size=(4, 3), data_format=data_format, **sizes)
    return net.eval()


@pytest.mark.slow
@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_vit(data_format: str) -> None:
    move = (lambda x: x) if data_format == "NCHW" else (lambda x: jnp.moveaxis(x, 1, -1))
    assert_like_torch(
        lambda: small_vit(data_format),
        [normal(B, 3, 8, 9)],
        vit,
        call=lambda net, x: net(move(x)),
    )


@pytest.mark.slow
def test_bert() -> None:
    sizes: Any = {"dim": D, "num_heads": H, "num_layers": L, "max_length": 7}
    assert_like_torch(
        lambda: pax.nets.BERT(11, **sizes).eval(),
        text(11, 5),
        bert,
        call=lambda net, *inputs: (*(y := net(*inputs)), net.token_logits(y[0])),
    )


@pytest.mark.slow
def test_in_float32() -> None:
    for net, reference, inputs in (
        (small_vit("NCHW"), vit, [normal(B, 3, 8, 9).astype(np.float32)]),
        (pax.nets.BERT(11, dim=D, num_heads=H, num_layers=L).eval(), bert, text(11, 5)),
    ):
        net = randomized(net)
        arrays = {path: torch.tensor(x) for path, x in named_parameters(net).items()}
        found = called(net, *map(jnp.asarray, inputs))
        expected = reference(arrays, *map(torch.tensor, inputs))
        pairs = (
            zip(found, expected, strict=False) if isinstance(found, tuple) else [(found, expected)]
        )
        for y, z in pairs:
            np.testing.assert_allclose(y, z, rtol=1e-4, atol=1e-4)
