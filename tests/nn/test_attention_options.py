"""Options of attention with several heads, against loops in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
import pax.functional as F
from tests.contracts.case import optimization
from tests.nn.run import called

B, T, S, H, K, D = 2, 4, 5, 4, 4, 6


def random(*shape: int) -> np.ndarray:
    """Returns random numbers."""
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


QUERY, KEY, VALUE = random(B, T, D), random(B, S, 3), random(B, S, 7)
SELF = random(B, T, D)


@pytest.fixture(autouse=True)
def in_haste() -> Iterator[None]:
    """Compiles quickly what is computed once."""
    with optimization(False):
        yield


def made(**options: Any) -> Any:
    """Returns a layer with random numbers in all of its arrays, in evaluation mode."""
    module = pax.MultiHeadAttention(H, K, 1.0, query_dim=D, **options).eval()
    rng = np.random.default_rng(1)
    return module.map(lambda x: jnp.asarray(rng.standard_normal(x.shape), x.dtype) * 0.7)


def dense(fc: Any, x: Any) -> np.ndarray:
    """Computes a dense layer in float64."""
    bias = 0 if fc.bias is None else np.asarray(fc.bias, np.float64)
    return np.asarray(x, np.float64) @ np.asarray(fc.weight, np.float64) + bias


def normalised(norm: Any, x: np.ndarray) -> np.ndarray:
    """Divides heads by their root mean square."""
    if norm is None:
        return x
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + norm.eps) * np.asarray(norm.scale)


def in_numpy(layer: Any, query: Any, key: Any, value: Any, is_seen: Any) -> np.ndarray:
    """Computes a layer without rotary embedding, score by score.

    `is_seen(b, t, s)` tells which places are seen.
    """
    q = dense(layer.query_projection, query).reshape(*query.shape[:2], H, K)
    groups = layer.num_kv_heads
    k = dense(layer.key_projection, key).reshape(*key.shape[:2], groups, K)
    v = dense(layer.value_projection, value).reshape(*value.shape[:2], groups, -1)
    q, k = normalised(layer.query_norm, q), normalised(layer.key_norm, k)
    out = np.zeros((*query.shape[:2], H, v.shape[-1]))
    for b, t, h in np.ndindex(*query.shape[:2], H):
        group = h * groups // H
        weights = np.zeros(key.shape[1])
        for s in range(key.shape[1]):
            if is_seen(b, t, s):
                score = q[b, t, h] @ k[b, s, group] * (layer.scale or K**-0.5)
                if layer.soft_cap:
                    score = layer.soft_cap * np.tanh(score / layer.soft_cap)
                if isinstance(layer.position, pax.Alibi):
                    score -= 2.0 ** (-2 * (h + 1)) * abs(t - s)  # four heads
                if isinstance(layer.position, pax.RelativePositionBias):
                    bucket = F.relative_position_bucket(
                        np.array(s - t), num_buckets=8, max_distance=5
                    )
                    score += float(layer.position.weight[bucket, h])
                weights[s] = np.exp(score)
        total = weights.sum() + (0 if layer.sinks is None else np.exp(float(layer.sinks[h])))
        out[b, t, h] = weights @ v[b, :, group] / total
    return dense(layer.output_projection, out.reshape(*query.shape[:2], -1))


def anywhere(b: int, t: int, s: int) -> bool:
    """Lets every place be seen."""
    return True


T5 = {"position": lambda: pax.RelativePositionBias(8, 5, H, w_init=jax.random.normal)}
OPTIONS: dict[str, dict[str, Any]] = {
    "grouped, sinks, soft cap": {"num_kv_heads": 2, "with_sinks": True, "soft_cap": 0.8},
    "one head of keys, norm, scale": {"num_kv_heads": 1, "query_key_norm": True, "scale": 0.9},
    "other value size, output": {"value_size": 3, "out_dim": 5, "with_output_bias": False},
    "ALiBi": {"position": lambda: pax.Alibi(H), "with_bias": False},
    "T5": T5,
}


#: Held to torch and in steps of decoding each time.
LATER = {"one head of keys, norm, scale", "ALiBi", "other value size, output"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in LATER else []) for name in OPTIONS],
)
def test_options_by_loops(name: str) -> None:
    options = dict(OPTIONS[name])
    if "position" in options:
        options["position"] = options["position"]()
    layer = made(key_dim=3, value_dim=7, **options)
    expected = in_numpy(layer, QUERY, KEY, VALUE, anywhere)
    y = called(layer, QUERY, KEY, VALUE)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_windows_and_segments_by_loops() -> None:
    layer, ids = made(window=2), np.array([[0, 0, 1, 1], [0, 1, 1, 1]])

    @jax.jit
    def run(layer: Any, x: Any) -> Any:
        causal = layer(x, x, x, is_causal=True)
        return layer(x, x, x), causal, layer(x, x, x, segment_ids=ids, is_causal=True)

    both, causal, packed = run(layer, SELF)
    rules = {
        "both": (both, lambda b, t, s: abs(t - s) < 2),
        "causal": (causal, lambda b, t, s: 0 <= t - s < 2),
        "packed": (packed, lambda b, t, s: 0 <= t - s < 2 and ids[b, t] == ids[b, s]),
    }
    for y, rule in rules.values():
        expected = in_numpy(layer, SELF, SELF, SELF, rule)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_rotary_embedding_turns_queries_and_keys_and_nothing_else() -> None:
    rotary = pax.RotaryEmbed(K, theta=50.0, convention="pairs")
    layer, at = made(position=rotary, num_kv_heads=2, query_key_norm=True), np.arange(T) + 3

    @jax.jit
    def both(layer: Any, x: Any) -> Any:
        q = layer.query_norm(layer.query_projection(x).reshape(B, T, H, K))
        k = layer.key_norm(layer.key_projection(x).reshape(B, T, 2, K))
        v = layer.value_projection(x).reshape(B, T, 2, K)
        heads = F.dot_product_attention(rotary(q, at), rotary(k, at), v, is_causal=True)
        expected = layer.output_projection(heads.reshape(B, T, H * K))
        return layer(x, x, x, is_causal=True, positions=at), expected

    np.testing.assert_allclose(*both(layer, SELF), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("position", [pax.RotaryEmbed(K), pax.Alibi(H), T5["position"]()], ids=repr)
def test_only_differences_of_positions_count(position: Any) -> None:
    layer = made(position=position)

    @jax.jit
    def run(layer: Any, x: Any, at: Any) -> Any:
        return layer(x, x, x, positions=at)

    y = run(layer, SELF, np.arange(T))
    np.testing.assert_allclose(y, called(layer, SELF, SELF, SELF), rtol=1e-5, atol=1e-5)
    each = np.arange(T)[None] + np.array([[7], [100]])
    np.testing.assert_allclose(run(layer, SELF, each), y, rtol=1e-4, atol=1e-4)
    # not loose: the outputs must differ by more than any rounding
    assert not np.allclose(run(layer, SELF, 2 * np.arange(T)), y, atol=1e-2)


@pytest.mark.slow
def test_places_of_negative_position_are_not_seen() -> None:
    layer = made(key_dim=3, value_dim=7)
    at = np.array([0, 1, -1, 3, -1])
    y = jax.jit(lambda layer: layer(QUERY, KEY, VALUE, key_positions=at))(layer)
    expected = in_numpy(layer, QUERY, KEY, VALUE, lambda b, t, s: at[s] >= 0)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_shared_position_is_given_at_the_call() -> None:
    shared = pax.RelativePositionBias(8, 5, H, w_init=jax.random.normal)
    without = made()
    own = without.replace(position=shared)

    @jax.jit
    def run(own: Any, without: Any, shared: Any) -> Any:
        bias = shared(np.arange(T), np.arange(T))[None]
        inputs = (SELF, SELF, SELF)
        given = without(*inputs, position=shared), without(*inputs, bias=bias)
        return own(*inputs), given

    y, given = run(own, without, shared)
    for x in given:
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
    gradient = jax.jit(pax.grad(lambda m: m(SELF, SELF, SELF).sum()))(own)
    assert (np.asarray(gradient.position.weight) != 0).any()


def test_layers_copy_their_position() -> None:
    rotary = pax.RotaryEmbed(K)
    layers = [pax.MultiHeadAttention(H, K, 1.0, position=rotary) for _ in range(2)]
    pax.Sequential(pax.Residual(pax.Lambda(lambda x: x))).set_attribute("layers", layers)
    assert layers[0].position is not layers[1].position


def test_dropout_of_weights() -> None:
    key = jax.random.PRNGKey(3)
    layer = pax.MultiHeadAttention(H, K, 1.0, query_dim=D, dropout_rate=0.5, rng_key=key)
    plain = pax.MultiHeadAttention(H, K, 1.0, query_dim=D, rng_key=key)
    np.testing.assert_array_equal(layer.query_projection.weight, plain.query_projection.weight)
    with pytest.raises(pax.PurityError):
        jax.eval_shape(layer, SELF, SELF, SELF)
    expected = called(plain, SELF, SELF, SELF)
    np.testing.assert_array_equal(called(layer.eval(), SELF, SELF, SELF), expected)

    @jax.jit
    @jax.vmap
    def run(key: Any) -> Any:
        after, y = pax.purecall(layer.replace(rng_key=key), SELF, SELF, SELF)
        return after.rng_key, y

    keys = jax.random.split(key, 400)
    after, y = map(np.asarray, run(keys))
    assert (after != np.asarray(keys)).any(axis=1).all()
    assert len({x.tobytes() for x in y}) == 400
    np.testing.assert_array_equal(run(keys)[1], y)
    np.testing.assert_allclose(y.mean(axis=0), expected, atol=0.15)


def test_what_is_trained() -> None:
    layer = pax.MultiHeadAttention(
        H, K, 1.0, with_sinks=True, dropout_rate=0.1, query_key_norm=True, position=T5["position"]()
    )
    paths = {
        jax.tree_util.keystr(path, simple=True, separator=".")
        for path, _ in jax.tree_util.tree_leaves_with_path(layer.parameters())
    }
    dense = {f"{p}_projection" for p in ("query", "key", "value", "output")}
    expected = {f"{p}.{x}" for p in dense for x in ("weight", "bias")}
    assert paths == expected | {"sinks", "query_norm.scale", "key_norm.scale", "position.weight"}
    np.testing.assert_array_equal(layer.sinks, np.zeros(H))


def test_initial_variance_is_by_the_width_of_the_input() -> None:
    layer = pax.MultiHeadAttention(8, 16, 2.0, query_dim=50, key_dim=200, value_size=4)
    for fc, width in ((layer.query_projection, 50), (layer.value_projection, 200)):
        assert np.var(fc.weight) == pytest.approx(2.0 / width, rel=0.1)
    assert layer.output_projection.weight.shape == (32, 50)


def test_printed_form() -> None:
    layer = pax.MultiHeadAttention(
        4, 2, 1.0, num_kv_heads=2, out_dim=3, window=5, position=pax.Alibi(4)
    )
    text = "MultiHeadAttention(num_heads=4, key_size=2, num_kv_heads=2, out_dim=3, window=5)"
    assert repr(layer) == text
    assert layer.summary(return_list=True)[-1] == "└── Alibi(num_heads=4)"
