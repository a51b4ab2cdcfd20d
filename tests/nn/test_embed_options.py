"""Tables of vectors: tied outputs, padding, bags."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

TABLE = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
X = np.random.default_rng(1).standard_normal((2, 4, 3)).astype(np.float32)


def slowly(value: Any) -> Any:
    """Returns a parameter that makes a slow test."""
    return pytest.param(value, marks=pytest.mark.slow)


def table(padding_index: int | None = None) -> pax.Embed:
    """Returns a table of known numbers."""
    return pax.Embed(5, 3, padding_index=padding_index).replace(weight=jnp.asarray(TABLE))


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 4, 3)], ids=str)
def test_attend_is_the_product_with_the_table(shape: tuple[int, ...]) -> None:
    x = np.resize(X, shape)
    np.testing.assert_allclose(table().attend(x), x @ TABLE.T, rtol=1e-5, atol=1e-6)


def test_a_tied_output_adds_up_both_gradients() -> None:
    def loss(embed: pax.Embed) -> jax.Array:
        return (embed.attend(embed(jnp.array([1, 2]))) * jnp.ones((2, 5))).sum()

    expected = np.zeros((5, 3), np.float32) + TABLE[1] + TABLE[2]
    expected[[1, 2]] += TABLE.sum(axis=0)
    np.testing.assert_allclose(
        jax.jit(pax.grad(loss))(table()).weight, expected, rtol=1e-5, atol=1e-5
    )


def test_attend_runs_under_a_policy() -> None:
    half = pax.apply_mp_policy(table(), pax.Policy(jnp.float32, jnp.bfloat16, jnp.bfloat16))
    assert half.attend(X).dtype == jnp.bfloat16


@pytest.mark.parametrize("init", [None, slowly(pax.initializers.ones)])
def test_padding_starts_at_zero(init: Any) -> None:
    for layer in (
        pax.Embed(4, 2, init, padding_index=1),
        pax.EmbeddingBag(4, 2, "sum", init, padding_index=1),
    ):
        assert (layer.weight[1] == 0).all()
        assert (layer.weight[jnp.array([0, 2, 3])] != 0).all()


def test_padding_gets_no_gradient() -> None:
    ids = jnp.array([[0, 3, 3], [4, 3, 0]])

    def loss(embed: pax.Embed) -> jax.Array:
        return (embed(ids) ** 2).sum() + (embed.attend(jnp.asarray(X)) ** 2).sum()

    gradient = jax.jit(pax.grad(loss))
    free = gradient(table()).weight
    held = gradient(table(3)).weight
    assert (free[3] != 0).any()
    np.testing.assert_array_equal(held[3], [0, 0, 0])
    rest = jnp.array([0, 1, 2, 4])
    np.testing.assert_array_equal(held[rest], free[rest])
    np.testing.assert_array_equal(table(3)(ids), TABLE[np.asarray(ids)])


def test_a_row_of_padding_stays_zero_while_training() -> None:
    optax = pytest.importorskip("optax")
    model = pax.Embed(5, 3, padding_index=0)
    optimizer = pax.optim.Optimizer(optax.adamw(0.1), model.parameters())

    def loss(model: pax.Embed) -> tuple[jax.Array, Any]:
        return (model(jnp.array([0, 1])) - 1).sum() + model.attend(jnp.ones(3)).sum(), (None, model)

    update = jax.jit(pax.build_update_fn(loss))
    for _ in range(3):
        model, optimizer, _ = update(model, optimizer)
    np.testing.assert_array_equal(model.weight[0], [0, 0, 0])
    assert (abs(model.weight[1]) > 0).all()


IDS = np.array([[0, 2, 2, 4], [3, 1, 0, 0], [0, 0, 0, 0]])
MASK = np.array([[1, 1, 0, 1], [0, 1, 1, 1], [1, 1, 0, 0]], bool)


def bag(mode: str, padding_index: int | None = None) -> pax.EmbeddingBag:
    """Returns a bag over known numbers."""
    return pax.EmbeddingBag(5, 3, mode, padding_index=padding_index).replace(
        weight=jnp.asarray(TABLE)
    )


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_index", [None, 0])
@pytest.mark.parametrize("mask", [slowly(None), MASK], ids=["all", "mask"])
def test_bags_by_hand(mode: str, padding_index: int | None, mask: Any) -> None:
    counts = (np.ones_like(MASK) if mask is None else mask) & (padding_index != IDS)
    reduce = getattr(np, mode)
    expected = [
        reduce(TABLE[ids[held]], axis=0) if held.any() else np.zeros(3)
        for ids, held in zip(IDS, counts, strict=True)
    ]
    np.testing.assert_allclose(bag(mode, padding_index)(IDS, mask), expected, rtol=1e-5, atol=1e-6)


def test_factors() -> None:
    factors = np.random.default_rng(2).standard_normal(IDS.shape).astype(np.float32)
    expected = (TABLE[IDS] * factors[..., None] * MASK[..., None]).sum(axis=1)
    np.testing.assert_allclose(bag("sum")(IDS, MASK, factors), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["sum", slowly("mean"), slowly("max")])
def test_what_is_masked_may_be_anything(mode: str) -> None:
    ids = np.where(MASK, IDS, -1)
    factors = np.ones(IDS.shape, np.float32) if mode == "sum" else None

    def loss(layer: pax.EmbeddingBag, ids: Any) -> jax.Array:
        return (layer(ids, MASK, factors) ** 2).sum()

    found, expected = (jax.jit(pax.grad(loss))(bag(mode), x).weight for x in (ids, IDS))
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(bag(mode)(ids)).any()  # what counts must be in the table
    if factors is not None:
        layer = bag(mode)
        gradient = jax.jit(jax.grad(lambda f: (layer(ids, MASK, f) ** 2).sum()))(factors)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("mode", ["max", slowly("sum"), slowly("mean")])
@pytest.mark.parametrize("shape", [(4,), (0, 4), (2, 0), (0,)], ids=str)
def test_edge_shapes(mode: str, shape: tuple[int, ...]) -> None:
    y = bag(mode)(np.zeros(shape, np.int32))
    assert y.shape == (*shape[:-1], 3)
    if shape[-1] == 0:
        np.testing.assert_array_equal(y, np.zeros(y.shape))


def test_printed_forms() -> None:
    assert repr(pax.Embed(3, 2, padding_index=0)) == (
        "Embed(vocab_size=3, embed_dim=2, padding_index=0)"
    )
    assert repr(pax.EmbeddingBag(3, 2)) == "EmbeddingBag(vocab_size=3, embed_dim=2, mode=mean)"


def index(value: Any) -> Bad:
    """Returns an index of padding that is refused."""
    return Bad(
        lambda: pax.Embed(3, 2, padding_index=value),
        pax.ArgumentError,
        f"Embed got padding_index={value!r}; expected an integer in [0, 3).",
        "give the index that stands for padding in the input, or None.",
    )


BAG = "EmbeddingBag(vocab_size=5, embed_dim=3, mode=mean)"
ONE_AXIS = "put the ids of a bag along the last axis, padded to one length, and mask the padding."


@each(
    *map(index, [3, -1, 1.0, True]),
    Bad(
        lambda: pax.EmbeddingBag(5, 3, "median"),
        pax.ArgumentError,
        "EmbeddingBag got mode='median'; expected one of 'mean', 'sum', 'max'.",
        "write mode='mean'.",
    ),
    Bad(
        lambda: bag("mean"),
        pax.ArgumentError,
        "embedding_bag got factors for mode='mean'; expected them for 'sum' alone.",
        "leave factors out, or write mode='sum'.",
        (IDS, None, np.ones(IDS.shape, np.float32)),
    ),
    Bad(
        lambda: bag("mean"),
        pax.ShapeError,
        "embedding_bag got mask of shape (3,) with ids of shape (3, 4); expected (..., ids of a "
        "bag) for both.",
        ONE_AXIS,
        (IDS, MASK[:, 0]),
    ),
    Bad(
        lambda: bag("mean"),
        pax.ShapeError,
        "embedding_bag got ids of shape () with ids of shape (); expected (..., ids of a bag) for "
        "both.",
        ONE_AXIS,
        (np.int32(3),),
    ),
    Bad(
        lambda: bag("mean"),
        pax.DtypeError,
        f"{BAG} got indices of dtype float32; expected integers.",
        "convert them first: x.astype(jnp.int32).",
        (TABLE,),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()


def test_attend_refuses_other_vectors(unchecked: None) -> None:
    with pytest.raises(pax.ShapeError) as raised:
        table().attend(np.zeros((2, 4), np.float32))
    assert raised.value.found == (
        "Embed(vocab_size=5, embed_dim=3) got input of shape (2, 4); expected (..., 3)."
    )
