"""Parity of Mamba with a statement of it in torch, one step after the other; decoding."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import pax
from tests.nn.run import called
from tests.parity.compare import assert_like_torch

V, D, L, N, E, W, R, B, T = 7, 6, 2, 3, 12, 4, 2, 2, 9
Arrays = dict[str, Tensor]


def norm(x: Tensor, scale: Tensor) -> Tensor:
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + 1e-5) * scale


def block(p: Arrays, x: Tensor) -> Tensor:
    y, z = (norm(x, p["norm.scale"]) @ p["in_projection.weight"]).chunk(2, -1)
    kernel = p["conv.weight"].permute(2, 1, 0)
    y = F.conv1d(F.pad(y.mT, (W - 1, 0)), kernel, p["conv.bias"], groups=E)
    y = F.silu(y.mT)
    step, b, c = (y @ p["selection.weight"]).split((R, N, N), -1)
    delta = F.softplus(step @ p["step_projection.weight"] + p["step_projection.bias"])
    h, outs = torch.zeros(B, N, E, dtype=x.dtype), []
    for t in range(x.shape[1]):
        decay = torch.exp(-delta[:, t, None] * p["log_rate"].exp())
        h = decay * h + (delta[:, t] * y[:, t])[:, None] * b[:, t, :, None]
        outs.append((c[:, t, :, None] * h).sum(1))
    y = torch.stack(outs, 1) + p["skip"] * y
    return x + (y * F.silu(z)) @ p["out_projection.weight"]


def mamba(p: Arrays, tokens: Tensor) -> Tensor:
    """Computes the logits from arrays named as in pax."""
    start = "blocks.stacked."
    x = p["embed.weight"][tokens]
    for i in range(L):
        own = {k.removeprefix(start): v[i] for k, v in p.items() if k.startswith(start)}
        x = block(own, x)
    return norm(x, p["norm.scale"]) @ p["embed.weight"].T


def network() -> Any:
    return pax.nets.Mamba(V, D, L, state_dim=N, conv_width=W, step_rank=R)


def tokens(time: int = T) -> np.ndarray:
    return np.random.default_rng(0).integers(V, size=(B, time), dtype=np.int32)


@pytest.mark.slow
def test_logits_and_gradients() -> None:
    # a third of normal weights: sums stay small enough for ten digits
    def reference(p: Arrays, x: Tensor) -> Tensor:
        return mamba({name: value / 3 for name, value in p.items()}, x)

    def call(net: Any, x: Any) -> Any:
        return jax.tree.map(lambda value: value / 3, net)(x)

    assert_like_torch(network, [tokens()], reference, call)


@jax.jit
def decoded(net: Any, x: Any, cache: Any, lengths: Any = None) -> Any:
    return net.decode(x, cache, lengths=lengths)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [(4, 1), (1, 1, 2, 3)])
def test_decoding_equals_the_forward_pass(parts: tuple[int, ...]) -> None:
    net, x = network(), tokens(sum(parts))
    expected = called(net, x)
    cache, found, at = net.make_cache(B, sum(parts)), [], 0
    assert all(len(leaf) == B for leaf in jax.tree.leaves(cache))
    for size in parts:
        logits, cache = decoded(net, x[:, at : at + size], cache)
        found.append(logits)
        at += size
    np.testing.assert_allclose(np.concatenate(found, 1), expected, rtol=1e-5, atol=1e-5)


def test_decoding_of_ragged_rows() -> None:
    net, x = network(), tokens()
    expected = called(net, x)
    before, lengths = jnp.array([5, 2], jnp.int32), jnp.array([1, 0], jnp.int32)
    _, cache = decoded(net, x[:, :5], net.make_cache(B, T), before)
    # the padding of the second row, 3 places, is never seen; its tokens go on at place 2
    row, column = np.arange(B)[:, None], np.array([[5], [2]])
    _, cache = decoded(net, x[row, column], cache, lengths)
    column = np.array([[6, 7, 8], [2, 3, 4]])
    logits, _ = decoded(net, x[row, column], cache)
    np.testing.assert_allclose(logits, np.asarray(expected)[row, column], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_generation_goes_on_from_a_prompt() -> None:
    net, x = network(), tokens(4)
    found = pax.generation.generate(net, x, max_new_tokens=3)
    for _ in range(3):
        logits = called(net, x)
        x = np.concatenate([x, np.asarray(logits[:, -1:].argmax(-1), np.int32)], 1)
    np.testing.assert_array_equal(found.tokens, x[:, 4:])
