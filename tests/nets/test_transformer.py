"""The Transformer: what sees what, dropout, initial values, edge shapes, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.contracts.case import assert_finite, cast, paths
from tests.counting import count_compilations
from tests.nn.bad import Bad, each
from tests.nn.run import called, trained

B, T, D, H, L = 2, 5, 8, 2, 2
PADDING = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 0, 1]], bool)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


X = random(B, T, D)


def network(rate: float = 0.0, seed: int = 0, layers: int = L) -> pax.nets.Transformer:
    return pax.nets.Transformer(D, H, layers, rate, rng_key=jax.random.PRNGKey(seed))


@jax.jit
def influence(net: Any, x: Any, mask: Any) -> jax.Array:
    """Returns by how much place t of the output moves with place s of the input: [B, T, S]."""
    of_each = jax.vmap(lambda x, mask: jax.jacobian(net)(x, mask))(x, mask)  # [B, T, D, S, D]
    return jnp.abs(of_each).sum((2, 4))


def test_no_place_sees_a_later_one_or_padding() -> None:
    moved = influence(network(), X, PADDING) > 0
    expected = np.tri(T, dtype=bool) & PADDING[:, None]
    expected |= np.eye(T, dtype=bool)  # every place carries its own input along
    np.testing.assert_array_equal(moved, expected)


def test_without_mask_all_is_seen() -> None:
    np.testing.assert_array_equal(called(network(), X), called(network(), X, np.ones((B, T), bool)))


def test_the_backward_pass_keeps_nothing_of_gelu_but_input_and_output() -> None:
    block = network().layers[0]["dense_block"]
    kept = jax.tree.leaves(jax.vjp(lambda block, x: block(x), block, X)[1])
    assert sum(x.size == B * T * 4 * D for x in kept) == 2


def test_numbers_at_padding_do_not_count() -> None:
    changed = np.where(PADDING[..., None], X, 1e3 * random(B, T, D)[::-1])
    found, expected = called(network(), changed, PADDING), called(network(), X, PADDING)
    np.testing.assert_array_equal(found[PADDING], expected[PADDING])
    assert (found[~PADDING] != expected[~PADDING]).any()


@pytest.mark.parametrize("dtype", [np.int32, pytest.param(np.float32, marks=pytest.mark.slow)])
def test_masks_of_numbers(dtype: Any) -> None:
    found = called(network(), X, 3 * PADDING.astype(dtype))
    np.testing.assert_array_equal(found, called(network(), X, PADDING))


def test_nothing_but_padding_is_finite() -> None:
    net = cast(network(layers=1), jnp.float16)

    def total(net: Any, x: Any) -> tuple[Any, Any]:
        y = net(x, np.zeros((B, T), bool))
        return (y * y * y).sum(), y

    run = jax.jit(pax.value_and_grad(total, has_aux=True))
    (_, y), gradients = run(net, X.astype(np.float16))
    assert y.dtype == jnp.float16
    assert_finite((y, gradients))


def test_dropout_takes_its_keys_from_rng_seq() -> None:
    net: Any = network(0.4)
    after, found = trained(net, X)
    key, *rng_keys = jax.random.split(net.rng_seq._rng_key, 2 * L + 1)
    np.testing.assert_array_equal(after.rng_seq._rng_key, key)

    @jax.jit
    def by_hand(net: Any, x: Any) -> jax.Array:
        past = np.tri(T, dtype=bool)
        for i, layer in enumerate(net.layers):
            y = layer["attn_layer_norm"](x)
            x = x + pax.dropout(rng_keys[2 * i], 0.4, layer["attention"](y, y, y, past))
            y = layer["dense_block"](layer["dense_layer_norm"](x))
            x = x + pax.dropout(rng_keys[2 * i + 1], 0.4, y)
        return net.layer_norm_output(x)

    np.testing.assert_allclose(found, by_hand(net, X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("net", [network(0.0), network(0.4).eval()], ids=["rate 0", "eval"])
def test_without_dropout_nothing_changes(net: Any) -> None:
    after, found = trained(net, X)
    assert jax.tree.structure(after) == jax.tree.structure(net)
    for x, y in zip(jax.tree.leaves(after), jax.tree.leaves(net), strict=True):
        np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(found, called(net, X))  # outside `pax.pure`


def test_initial_values() -> None:
    layers = 3
    net: Any = pax.nets.Transformer(64, 4, layers, 0.1)
    assert len(net.layers) == layers
    for layer in net.layers:
        assert set(layer) == {"attention", "attn_layer_norm", "dense_layer_norm", "dense_block"}
        attention, block = layer["attention"], layer["dense_block"]
        dense = [*attention.submodules(), block.fc1, block.fc2]
        assert len(dense) == 6
        for fc in dense:
            assert np.var(fc.weight) * fc.in_dim == pytest.approx(2 / layers, rel=0.1)
            assert not np.any(fc.bias)
        assert (block.fc1.weight.shape, block.fc2.weight.shape) == ((64, 256), (256, 64))
        assert (attention.num_heads, attention.key_size) == (4, 16)
        for norm in (layer["attn_layer_norm"], layer["dense_layer_norm"]):
            assert (norm.num_channels, norm.axis, norm.scale.shape) == (64, -1, (64,))


def test_the_key_decides() -> None:
    pax.seed_rng_key(7)
    nets = [network(seed=seed) for seed in (3, 3, 4)]
    for path, x, same, other in zip(paths(nets[0]), *map(jax.tree.leaves, nets), strict=True):
        np.testing.assert_array_equal(x, same, err_msg=path)
        assert np.any(np.asarray(x) != np.asarray(other)) == path.endswith(("weight", "key")), path
    drawn = pax.next_rng_key()
    pax.seed_rng_key(7)
    np.testing.assert_array_equal(drawn, pax.next_rng_key())  # nothing was taken from the stream


def test_construction_compiles_next_to_nothing() -> None:
    key = jax.random.PRNGKey(0)
    network()
    with count_compilations() as compilations:
        pax.nets.Transformer(24, 3, 5, 0.1, rng_key=key)
        pax.nets.Transformer(24, 3, 5, 0.1)
    assert compilations.count <= 1


def test_mixed_precision_is_the_rounded_result() -> None:
    net = network()
    found = called(net.apply(pax.experimental.default_mp_policy), X, PADDING)
    assert found.dtype == jnp.bfloat16
    expected = called(net, X, PADDING)
    np.testing.assert_allclose(found.astype(jnp.float32), expected, rtol=0.03, atol=0.03)


def test_any_leading_axes() -> None:
    net, x, mask = network(layers=1), random(2, B, T, D), np.stack([PADDING, ~PADDING])
    found = called(net, x, mask)
    for i in np.ndindex(2, B):
        np.testing.assert_allclose(found[i], called(net, x[i], mask[i]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(0, T, D), (B, 0, D), (B, 1, D)])
def test_edge_shapes(shape: tuple[int, ...]) -> None:
    y = called(network(layers=1), random(*shape), np.ones(shape[:-1], bool))
    assert y.shape == shape
    assert jnp.isfinite(y).all()


REPR = "Transformer(dim=8, num_heads=2, num_layers=2, dropout_rate=0.0)"
FIX_RATE = "write dropout_rate=0.1."
FIX_MASK = "pass True for each place that holds something; what lies ahead is hidden anyway."


@pytest.mark.usefixtures("unchecked")
@each(
    Bad(
        lambda: pax.nets.Transformer(8, 2, 0, 0.1),
        pax.ArgumentError,
        "Transformer got num_layers=0; expected an integer of at least 1.",
        "set num_layers to a positive integer.",
    ),
    Bad(
        lambda: pax.nets.Transformer(8, 3, 2, 0.1),
        pax.ArgumentError,
        "Transformer got dim=8 and num_heads=3, which does not divide it.",
        "choose a number of heads that divides dim.",
    ),
    Bad(
        lambda: network(1.0),
        pax.ArgumentError,
        "Transformer got dropout_rate=1.0; expected a number in [0, 1).",
        FIX_RATE,
    ),
    Bad(
        lambda: pax.nets.Transformer(8, 2, 2, None),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Transformer got dropout_rate=None; expected a number in [0, 1).",
        FIX_RATE,
    ),
    Bad(
        network,
        pax.ShapeError,
        f"{REPR} got input of shape (2, 5); expected (..., time, 8).",
        "turn tokens into vectors first: pax.Embed(vocab_size, 8)(tokens).",
        (np.zeros((B, T), np.int32),),
    ),
    Bad(
        network,
        pax.ShapeError,
        f"{REPR} got mask of shape (2, 5, 5) with input of shape (2, 5, 8); expected (2, 5).",
        FIX_MASK,
        (X, np.ones((B, T, T), bool)),
    ),
    Bad(
        network,
        pax.ShapeError,
        f"{REPR} got mask of shape (5,) with input of shape (2, 5, 8); expected (2, 5).",
        FIX_MASK,
        (X, np.ones(T, bool)),
    ),
)
def test_bad_input(bad: Bad) -> None:
    bad.check()


def test_dropout_outside_pure_is_refused() -> None:
    with pytest.raises(pax.PurityError, match=r"setting `_rng_key` of RngSeq was tried outside"):
        network(0.1)(X)
