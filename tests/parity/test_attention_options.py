"""Parity of the options of attention: other widths, biases, segments, groups, additive scores."""

from __future__ import annotations

from typing import Any

import flax.linen
import flax.nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import pax
from tests.parity.compare import assert_like_jax, assert_like_torch, normal

B, T, S, H, K = 2, 3, 5, 2, 4
PARTS = ("query", "key", "value")


def other_widths(p: dict[str, torch.Tensor], query: Any, key: Any, value: Any, mask: Any) -> Any:
    """Computes the layer with torch's, whose boolean masks tell what may not be seen."""
    layer = torch.nn.MultiheadAttention(H * K, H, kdim=3, vdim=7, batch_first=True)
    weights = {
        **{f"{part[0]}_proj_weight": p[f"{part}_projection.weight"].T for part in PARTS},
        "in_proj_bias": torch.cat([p[f"{part}_projection.bias"] for part in PARTS]),
        "out_proj.weight": p["output_projection.weight"].T,
        "out_proj.bias": p["output_projection.bias"],
    }
    options: dict[str, Any] = {"need_weights": False, "attn_mask": mask}
    return torch.func.functional_call(layer, weights, (query, key, value), options)[0]


SEEN = np.array([[1, 1, 0, 0, 1], [1, 0, 1, 0, 0], [1, 1, 1, 1, 0]], bool)
#: Our argument, and torch's `attn_mask`: what may not be seen, or what is added.
MASKS: dict[str, tuple[dict[str, Any], torch.Tensor]] = {
    "mask": ({"mask": SEEN}, ~torch.tensor(SEEN)),
    "bias": ({"bias": normal(T, S)}, torch.tensor(normal(T, S))),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MASKS)
def test_widths_of_torch_and_its_masks(name: str) -> None:
    ours, theirs = MASKS[name]
    assert_like_torch(
        lambda: pax.MultiHeadAttention(H, K, 1.0, key_dim=3, value_dim=7),
        [normal(B, T, H * K), normal(B, S, 3), normal(B, S, 7)],
        lambda p, *xs: other_widths(p, *xs, theirs),
        call=lambda module, *xs: module(*xs, **ours),
    )


@pytest.mark.slow
def test_groups_of_flax() -> None:
    heads, groups, width, inner = 4, 2, 6, 8

    def make() -> Any:
        return pax.MultiHeadAttention(
            heads, inner // heads, 1.0, query_dim=width, num_kv_heads=groups, out_dim=3
        )

    def attend(query: Any, key: Any, value: Any, mask: Any = None, **_: Any) -> Any:
        """Attends with the weights of flax, whose default computes softmax in float32."""
        key, value = (jnp.repeat(x, heads // groups, axis=-2) for x in (key, value))
        weights = flax.linen.dot_product_attention_weights(query, key, mask=mask)
        return jnp.einsum("...hts,...shv->...thv", weights, value)

    def theirs(p: dict[str, Any], query: Any, key: Any, value: Any) -> Any:
        layer = flax.nnx.MultiHeadAttention(
            heads,
            width,
            inner,
            3,
            num_kv_heads=groups,
            param_dtype=jnp.float64,
            attention_fn=attend,
            decode=False,
            rngs=flax.nnx.Rngs(jax.random.key(0)),
        )
        for name, ours in {"query": heads, "key": groups, "value": groups}.items():
            part, K = getattr(layer, name), inner // heads
            weight, bias = (p[f"{name}_projection.{x}"] for x in ("weight", "bias"))
            part.kernel = flax.nnx.Param(weight.reshape(width, ours, K))
            part.bias = flax.nnx.Param(bias.reshape(ours, K))
        weight = p["output_projection.weight"]
        layer.out.kernel = flax.nnx.Param(weight.reshape(heads, inner // heads, 3))
        layer.out.bias = flax.nnx.Param(p["output_projection.bias"])
        with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
            return layer(query, key, value, mask=jnp.asarray(SEEN)[None, None])

    assert_like_jax(
        make,
        [normal(B, T, width), normal(B, S, width), normal(B, S, width, seed=2)],
        theirs,
        call=lambda module, *xs: module(*xs, SEEN),
    )


@pytest.mark.parametrize("convention", ["halves", pytest.param("pairs", marks=pytest.mark.slow)])
def test_a_decoder_of_torch(convention: str) -> None:
    """Grouped heads, rotary embedding, norm, window, cap and sinks, written in torch."""
    heads, groups, size, window = 4, 2, 4, 3

    def theirs(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        def heads_of(part: str, n: int) -> torch.Tensor:
            y = (x @ p[f"{part}_projection.weight"]).unflatten(-1, (n, size))
            if part != "value":
                root = (y.square().mean(-1, keepdim=True) + 1e-5).sqrt()
                y = turned(y / root * p[f"{part}_norm.scale"])
            repeat = heads // n
            return y.repeat_interleave(repeat, dim=2).transpose(1, 2)

        def turned(y: torch.Tensor) -> torch.Tensor:
            pairs = y if convention == "pairs" else y[..., [0, 2, 1, 3]]
            angles = torch.arange(len(y[0]))[:, None] * torch.tensor([1.0, 0.1], dtype=x.dtype)
            waves = torch.polar(torch.ones_like(angles), angles).to(torch.complex128)[:, None]
            z = torch.view_as_real(torch.view_as_complex(pairs.unflatten(-1, (2, 2))) * waves)
            return z.flatten(-2) if convention == "pairs" else z.flatten(-2)[..., [0, 2, 1, 3]]

        q, k, v = heads_of("query", heads), heads_of("key", groups), heads_of("value", groups)
        scores = 2.0 * torch.tanh(q @ k.mT * size**-0.5 / 2.0)
        t = torch.arange(x.shape[1])
        distance = t[:, None] - t
        scores = scores.masked_fill((distance < 0) | (distance >= window), -torch.inf)
        sinks = p["sinks"][None, :, None, None].expand(len(x), heads, len(t), 1)
        weights = torch.cat([scores, sinks], -1).softmax(-1)[..., :-1]
        return (weights @ v).transpose(1, 2).flatten(-2) @ p["output_projection.weight"]

    options: dict[str, Any] = {"num_kv_heads": groups, "with_bias": False, "window": window}
    options |= {"soft_cap": 2.0, "with_sinks": True, "query_key_norm": True}
    assert_like_torch(
        lambda: pax.MultiHeadAttention(
            heads,
            size,
            1.0,
            query_dim=6,
            **options,
            position=pax.RotaryEmbed(size, theta=100.0, convention=convention),
        ),
        [normal(B, 6, 6)],
        theirs,
        call=lambda module, x: module(x, x, x, is_causal=True),
    )


@pytest.mark.slow
def test_additive_attention() -> None:
    def theirs(p: dict[str, torch.Tensor], query: Any, key: Any, value: Any) -> torch.Tensor:
        q = query @ p["query_projection.weight"] + p["query_projection.bias"]
        k = key @ p["key_projection.weight"]
        scores = torch.tanh(q[:, :, None] + k[:, None]) @ p["weight"]
        scores = scores.masked_fill(~torch.tensor(SEEN), -torch.inf)
        return scores.softmax(-1) @ value

    assert_like_torch(
        lambda: pax.AdditiveAttention(4, 3, 6),
        [normal(B, T, 4), normal(B, S, 3), normal(B, S, 2)],
        theirs,
        call=lambda module, *xs: module(*xs, SEEN),
    )
