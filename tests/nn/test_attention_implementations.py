"""Attention layers give the same, and the same gradients, whichever implementation is taken."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.contracts.case import optimization

B, T, H, K, D = 1, 150, 2, 2, 3  # chunks have up to 128 places
OPTIONS: dict[str, dict[str, Any]] = {
    "rotary, window, sinks": {
        "position": pax.RotaryEmbed(K),
        "window": 140,
        "with_sinks": True,
        "num_kv_heads": 1,
    },
    "T5, cap, norm": {
        "position": pax.RelativePositionBias(8, 100, H),
        "soft_cap": 0.8,
        "query_key_norm": True,
    },
    "ALiBi, dropout": {"position": pax.Alibi(H), "dropout_rate": 0.3},
    "plain": {},
}
IDS = np.sort(np.random.default_rng(0).integers(0, 3, (B, T)), axis=1)


def both(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Returns outputs and gradients by either implementation."""
    rng = np.random.default_rng(1)
    layer = pax.MultiHeadAttention(H, K, 1.0, query_dim=D, **options)
    parameters = layer.parameters().map(
        lambda a: jnp.asarray(rng.standard_normal(a.shape), a.dtype)
    )
    x = jnp.asarray(rng.standard_normal((B, T, D)), np.float32)
    ids = IDS if "position" in options else None
    attend, taken = pax.functional.dot_product_attention, []

    def gradient(implementation: str) -> Any:
        def with_it(*args: Any, **options: Any) -> Any:
            taken.append(implementation)
            return attend(*args, implementation=implementation, **options)

        @jax.jit
        def loss(parameters: Any, x: Any) -> Any:
            module = layer.update_parameters(parameters)
            _, y = pax.purecall(module, x, x, x, is_causal=True, segment_ids=ids)
            return jnp.sum(jnp.sin(y)), y

        monkeypatch.setattr(pax.functional, "dot_product_attention", with_it)
        return jax.grad(loss, (0, 1), has_aux=True)(parameters, x)

    found = [gradient(name) for name in ("quadratic", "chunked")]
    assert taken == ["quadratic", "chunked"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_implementations_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with optimization(False):
        quadratic, chunked = both(OPTIONS[name], monkeypatch)
    for x, y in zip(jax.tree.leaves(quadratic), jax.tree.leaves(chunked), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4 * max(1.0, np.abs(x).max()))
