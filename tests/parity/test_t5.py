"""Parity of T5 with a statement of it in torch: outputs, gradients and decoding."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import pax
from tests.parity.compare import assert_like_torch

V, D, H, K, L, B, S, T = 11, 8, 2, 3, 2, 2, 9, 7
BUCKETS, FAR = 8, 6
Arrays = dict[str, Tensor]

pytestmark = pytest.mark.slow


def bucket(distance: int, both_sides: bool) -> int:
    """Returns the bucket of the place of a key minus that of a query, after the paper."""
    buckets, start = BUCKETS, 0
    if both_sides:
        buckets //= 2
        start = buckets if distance > 0 else 0
        distance = abs(distance)
    else:
        distance = max(-distance, 0)
    exact = buckets // 2
    if distance < exact:
        return start + distance
    share = math.log(distance / exact) / math.log(FAR / exact)
    return start + min(exact + int(share * (buckets - exact)), buckets - 1)


def bias(weight: Tensor, length: int, both_sides: bool) -> Tensor:
    """Returns what is added to the scores, [H, length, length]."""
    places = range(length)
    rows = [[bucket(s - t, both_sides) for s in places] for t in places]
    return weight[torch.tensor(rows)].permute(2, 0, 1)


def norm(x: Tensor, scale: Tensor) -> Tensor:
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * scale


def attention(p: Arrays, name: str, x: Tensor, source: Tensor, added: Tensor) -> Tensor:
    q, k, v = (
        (y @ p[f"{name}.{part}_projection.weight"]).unflatten(-1, (H, K)).transpose(1, 2)
        for part, y in (("query", x), ("key", source), ("value", source))
    )
    y = ((q @ k.mT + added).softmax(-1) @ v).transpose(1, 2).flatten(-2)
    return y @ p[f"{name}.output_projection.weight"]


def dense(p: Arrays, x: Tensor) -> Tensor:
    if "feed_forward.layers.0.weight" in p:
        return F.relu(x @ p["feed_forward.layers.0.weight"]) @ p["feed_forward.layers.1.weight"]
    value, gate = (x @ p["feed_forward.modules.0.weight"]).chunk(2, -1)
    return (value * F.gelu(gate, approximate="tanh")) @ p["feed_forward.modules.1.weight"]


def t5(p: Arrays, source: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Computes the logits from arrays named as in pax."""

    def layer(side: str, i: int) -> Arrays:
        start = f"{side}.stacked."
        return {k.removeprefix(start): v[i] for k, v in p.items() if k.startswith(start)}

    hidden = torch.zeros(mask.shape, dtype=p["tokens.weight"].dtype)
    hidden = hidden.masked_fill(~mask, -torch.inf)[:, None, None]
    x = p["tokens.weight"][source]
    added = bias(p["encoder_bias.weight"], S, True) + hidden
    for i in range(L):
        q = layer("encoder", i)
        y = norm(x, q["attention_norm.scale"])
        x = x + attention(q, "attention", y, y, added)
        x = x + dense(q, norm(x, q["feed_forward_norm.scale"]))
    source = norm(x, p["encoder_norm.scale"])
    x = p["tokens.weight"][target]
    ahead = torch.ones(T, T, dtype=torch.bool).triu(1)
    added = bias(p["decoder_bias.weight"], T, False).masked_fill(ahead, -torch.inf)
    for i in range(L):
        q = layer("decoder", i)
        y = norm(x, q["attention_norm.scale"])
        x = x + attention(q, "attention", y, y, added)
        y = norm(x, q["cross_attention_norm.scale"])
        x = x + attention(q, "cross_attention", y, source, hidden)
        x = x + dense(q, norm(x, q["feed_forward_norm.scale"]))
    return norm(x, p["decoder_norm.scale"]) / D**0.5 @ p["tokens.weight"].T


def network(is_gated: bool) -> Any:
    sizes: Any = {"dim": D, "num_heads": H, "key_size": K, "num_layers": L, "hidden_dim": 12}
    buckets: Any = {"num_buckets": BUCKETS, "max_distance": FAR}
    return pax.nets.T5(V, is_gated=is_gated, **sizes, **buckets).eval()


def texts() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    source, target = (rng.integers(V, size=(B, n), dtype=np.int32) for n in (S, T))
    return source, target, np.arange(S) < np.array([[S], [5]])


@pytest.mark.parametrize("is_gated", [False, True])
def test_logits_and_gradients(is_gated: bool) -> None:
    assert_like_torch(lambda: network(is_gated), texts(), t5)


def test_decoding_equals_the_forward_pass() -> None:
    net = network(True)
    source, target, mask = texts()
    expected = net(source, target, mask)
    cache = net.make_cache(B, T, source=source, source_mask=mask)
    assert {leaf.shape[:2] for leaf in jax.tree.leaves(cache)} == {(B, L)}
    step = jax.jit(lambda net, tokens, cache: net.decode(tokens, cache), donate_argnums=2)
    found = []
    for a, b in ((0, 3), (3, 4), (4, 7)):
        logits, cache = step(net, target[:, a:b], cache)
        found.append(logits)
    np.testing.assert_allclose(jnp.concatenate(found, axis=1), expected, rtol=1e-5, atol=1e-5)
