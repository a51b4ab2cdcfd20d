"""Parity of the recurrent translator with a statement of it in torch, and its decoding."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import Tensor

import pax
from tests.parity.compare import assert_like_torch, randomized

SOURCES, V, E, D, B, S, T = 7, 5, 3, 4, 2, 5, 4
LENGTHS = np.array([S, 3], np.int32)
Arrays = dict[str, Tensor]

pytestmark = pytest.mark.slow


def dense(p: Arrays, name: str, x: Tensor) -> Tensor:
    return x @ p[f"{name}.weight"] + p.get(f"{name}.bias", 0)


def gru(p: Arrays, name: str, x: Tensor, h: Tensor) -> Tensor:
    z, r = dense(p, f"{name}.xh_zr_fc", torch.cat([x, h], -1)).sigmoid().chunk(2, -1)
    return (1 - z) * h + z * dense(p, f"{name}.xh_h_fc", torch.cat([x, r * h], -1)).tanh()


def read(p: Arrays, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Returns what a source of one row, without padding, becomes, and the backward cell's end."""
    both = []
    for side, order in (("forward", range(len(vectors))), ("backward", range(len(vectors))[::-1])):
        h, found = torch.zeros(D, dtype=vectors.dtype), {}
        for t in order:
            found[t] = h = gru(p, f"encoder.{side}.cell", vectors[t], h)
        both.append(torch.stack([found[t] for t in range(len(vectors))]))
    return torch.cat(both, -1), h


def seq2seq(p: Arrays, sources: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """Computes the logits from arrays named as in pax, row by row and token by token."""
    rows = []
    for source, target, length in zip(sources, targets, lengths.tolist(), strict=True):
        read_source, last = read(p, p["source_embed.weight"][source[:length]])
        h, logits = dense(p, "bridge", last).tanh(), []
        for token in target:
            query = dense(p, "attention.query_projection", h)
            keys = dense(p, "attention.key_projection", read_source)
            scores = (query + keys).tanh() @ p["attention.weight"]
            context = scores.softmax(0) @ read_source
            given = torch.cat([p["target_embed.weight"][token], context])
            h = gru(p, "cell", given, h)
            logits.append(dense(p, "logits", torch.cat([h, given])))
        rows.append(torch.stack(logits))
    return torch.stack(rows)


def network() -> Any:
    return pax.nets.Seq2Seq(SOURCES, V, embed_dim=E, hidden_dim=D)


def texts() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    pairs = ((SOURCES, S), (V, T))
    return [rng.integers(n, size=(B, time), dtype=np.int32) for n, time in pairs]


def test_logits_and_gradients() -> None:
    assert_like_torch(network, [*texts(), LENGTHS], seq2seq)


def test_logits_and_gradients_without_padding() -> None:
    assert_like_torch(
        network,
        texts(),
        lambda p, *given: seq2seq(p, *given, torch.full((B,), S)),
    )


def test_decoding_equals_the_forward_pass() -> None:
    net = randomized(network())
    source, target = texts()
    expected = net(source, target, LENGTHS)
    cache = net.make_cache(B, T, source=source, source_lengths=LENGTHS)
    step = jax.jit(lambda net, tokens, cache: net.decode(tokens, cache), donate_argnums=2)
    found = []
    for a, b in ((0, 2), (2, 3), (3, 4)):
        logits, cache = step(net, target[:, a:b], cache)
        found.append(logits)
    np.testing.assert_allclose(jnp.concatenate(found, axis=1), expected, rtol=1e-5, atol=1e-5)


def test_decoding_of_rows_of_unequal_lengths() -> None:
    net = randomized(network())
    source, target = texts()
    expected = net(source, target, LENGTHS)
    cache = net.make_cache(B, T, source=source, source_lengths=LENGTHS)
    first, cache = net.decode(target[:, :3], cache, lengths=np.array([3, 1]))
    rest = np.stack([np.pad(target[0, 3:], (0, 2)), target[1, 1:]])
    second, _ = net.decode(rest, cache, lengths=np.array([1, 3]))
    close = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(first[0], expected[0, :3], **close)
    np.testing.assert_allclose(first[1, :1], expected[1, :1], **close)
    np.testing.assert_allclose(second[0, :1], expected[0, 3:], **close)
    np.testing.assert_allclose(second[1], expected[1, 1:], **close)
