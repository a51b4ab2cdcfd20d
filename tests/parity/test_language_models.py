"""Parity of GPT-2 and Llama with statements of them in torch: logits and gradients."""

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
from tests.parity.compare import assert_like_torch, named_parameters, randomized

V, D, H, L, T = 11, 8, 4, 2, 6
SIZES: dict[str, Any] = {"dim": D, "num_heads": H, "num_layers": L}
TOKENS = np.random.default_rng(0).integers(V, size=(2, T), dtype=np.int32)
Arrays = dict[str, Tensor]


def layer(p: Arrays, i: int) -> Arrays:
    """Returns the arrays of one block."""
    start = "blocks.stacked."
    return {k.removeprefix(start): v[i] for k, v in p.items() if k.startswith(start)}


def dense(p: Arrays, name: str, x: Tensor) -> Tensor:
    y = x @ p[f"{name}.weight"]
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def heads(p: Arrays, part: str, x: Tensor) -> Tensor:
    """Returns the heads of queries, keys or values, [B, H or G, T, K]."""
    return dense(p, f"attention.{part}_projection", x).unflatten(-1, (-1, D // H)).transpose(1, 2)


def attended(p: Arrays, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    k, v = (x.repeat_interleave(H // x.shape[1], dim=1) for x in (k, v))
    scores = q @ k.mT / (D // H) ** 0.5
    y = scores.masked_fill(~mask, -torch.inf).softmax(-1) @ v
    return dense(p, "attention.output_projection", y.transpose(1, 2).flatten(-2))


def gpt2(p: Arrays, tokens: Tensor) -> Tensor:
    def norm(p: Arrays, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (D,), p[f"{name}.scale"], p[f"{name}.offset"], 1e-5)

    causal = torch.ones(T, T).tril().bool()
    x = p["tokens.weight"][tokens] + p["positions.weight"][:T]
    for i in range(L):
        q = layer(p, i)
        y = norm(q, "attention_norm", x)
        x = x + attended(q, *(heads(q, part, y) for part in ("query", "key", "value")), causal)
        y = dense(q, "feed_forward.layers.0", norm(q, "feed_forward_norm", x))
        x = x + dense(q, "feed_forward.layers.1", F.gelu(y, approximate="tanh"))
    return norm(p, "norm", x) @ p["tokens.weight"].T


def llama(p: Arrays, tokens: Tensor, window: int, theta: float, factor: float) -> Tensor:
    def norm(p: Arrays, name: str, x: Tensor) -> Tensor:
        return F.rms_norm(x, (D,), p[f"{name}.scale"], 1e-5)

    def turned(x: Tensor) -> Tensor:
        half = x.shape[-1] // 2
        steps = torch.arange(half, dtype=torch.float64) / half
        angle = torch.arange(T)[:, None] / factor * theta**-steps
        pair = torch.complex(x[..., :half].double(), x[..., half:].double())
        pair = pair * torch.polar(torch.ones_like(angle), angle)
        return torch.cat([pair.real, pair.imag], -1).to(x.dtype)

    at = torch.arange(T)
    mask = (at[:, None] >= at) & (at[:, None] - at < window)
    x = p["tokens.weight"][tokens]
    for i in range(L):
        q = layer(p, i)
        y = norm(q, "attention_norm", x)
        query, key, value = (heads(q, part, y) for part in ("query", "key", "value"))
        x = x + attended(q, turned(query), turned(key), value, mask)
        y = norm(q, "feed_forward_norm", x)
        up, gate = (y @ q["feed_forward.modules.0.weight"]).chunk(2, -1)
        x = x + dense(q, "feed_forward.modules.1", up * F.silu(gate))
    x = norm(p, "norm", x)
    return dense(p, "logits", x) if "logits.weight" in p else x @ p["tokens.weight"].T


def make_gpt2() -> Any:
    return pax.nets.GPT2(V, max_length=T + 2, **SIZES).eval()


def make_llama(**options: Any) -> Any:
    return pax.nets.Llama(V, hidden_dim=12, num_kv_heads=2, **SIZES, **options).eval()


LINEAR = pax.functional.LinearRotaryScaling(2.0)
CASES: dict[str, tuple[Any, Any]] = {
    "gpt2": (make_gpt2, gpt2),
    "llama": (make_llama, lambda p, x: llama(p, x, T, 10_000.0, 1.0)),
    "llama, tied": (
        lambda: make_llama(tied=True, window=3, theta=50.0, rotary_scaling=LINEAR),
        lambda p, x: llama(p, x, 3, 50.0, 2.0),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients(name: str) -> None:
    make, reference = CASES[name]
    assert_like_torch(make, [TOKENS], reference)


@pytest.mark.parametrize(
    "name", ["llama", *(pytest.param(n, marks=pytest.mark.slow) for n in CASES if n != "llama")]
)
def test_in_float32(name: str) -> None:
    make, reference = CASES[name]
    net = randomized(make())
    arrays = {path: torch.tensor(x) for path, x in named_parameters(net).items()}
    expected = reference(arrays, torch.tensor(TOKENS))
    np.testing.assert_allclose(called(net, jnp.asarray(TOKENS)), expected, rtol=1e-4, atol=1e-4)
