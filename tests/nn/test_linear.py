"""The dense layer: numbers by hand, initial values, edges, errors."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each

X = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)


def by_hand() -> pax.Linear:
    """Returns a layer with small whole numbers."""
    layer = pax.Linear(2, 3)
    weight = jnp.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    return layer.replace(weight=weight, bias=jnp.array([0.5, 0.0, -0.5]))


def test_by_hand() -> None:
    y = by_hand()(jnp.array([[1.0, 10.0], [2.0, -1.0]]))
    np.testing.assert_array_equal(y, [[41.5, 52.0, 62.5], [-1.5, -1.0, -0.5]])


def test_one_vector_and_a_map_over_vectors() -> None:
    layer, xs = by_hand(), jnp.array([[1.0, 10.0], [2.0, -1.0]])
    np.testing.assert_array_equal(layer(xs[0]), [41.5, 52.0, 62.5])
    np.testing.assert_array_equal(jax.vmap(layer)(xs), layer(xs))


@pytest.mark.parametrize("batch", [(0,), (1,), (1, 0, 2)], ids=str)
def test_edge_shapes(batch: tuple[int, ...]) -> None:
    assert by_hand()(jnp.zeros((*batch, 2))).shape == (*batch, 3)


def test_a_layer_of_size_one() -> None:
    layer = pax.Linear(1, 1, False)
    np.testing.assert_array_equal(layer(jnp.array([2.0])), 2.0 * layer.weight[0])


def test_integers_are_promoted_as_jax_does() -> None:
    with jax.numpy_dtype_promotion("standard"):
        y = by_hand()(jnp.array([1, 10]))
    assert y.dtype == jnp.float32
    np.testing.assert_array_equal(y, [41.5, 52.0, 62.5])


@pytest.mark.parametrize("make_key", [jax.random.PRNGKey, jax.random.key])
def test_initial_values_come_from_the_key(make_key: object) -> None:
    key = make_key(3)  # type: ignore[operator]
    layer = pax.Linear(3, 4, rng_key=key)
    np.testing.assert_array_equal(layer.weight, pax.initializers.lecun_normal()(key, (3, 4)))
    np.testing.assert_array_equal(layer.bias, np.zeros(4))


def test_without_a_key_the_next_of_the_stream_is_taken() -> None:
    pax.seed_rng_key(7)
    layer, after = pax.Linear(3, 4), pax.next_rng_key()
    pax.seed_rng_key(7)
    again = pax.Linear(3, 4, rng_key=pax.next_rng_key())
    np.testing.assert_array_equal(layer.weight, again.weight)
    np.testing.assert_array_equal(after, pax.next_rng_key())


def test_a_drawn_bias_has_a_key_of_its_own() -> None:
    key, init = jax.random.PRNGKey(3), pax.initializers.normal(1.0)
    layer = pax.Linear(4, 4, True, init, init, rng_key=key)
    w_key, b_key = jax.random.split(key)
    np.testing.assert_array_equal(layer.weight, init(w_key, (4, 4)))
    np.testing.assert_array_equal(layer.bias, init(b_key, (4,)))


def test_without_bias_there_is_no_leaf() -> None:
    layer = pax.Linear(3, 4, with_bias=False)
    assert layer.bias is None
    assert [x.shape for x in jax.tree.leaves(layer)] == [(3, 4)]


def test_an_initializer_may_return_a_numpy_array() -> None:
    layer = pax.Linear(3, 4, w_init=lambda key, shape: np.full(shape, 0.5))
    assert isinstance(layer.weight, jax.Array)
    assert layer.weight.dtype == jnp.float32


def test_printed_forms() -> None:
    assert repr(pax.Linear(2, 3)) == "Linear(in_dim=2, out_dim=3, with_bias=True)"
    assert repr(pax.Linear(2, 3, False, name="fc1")) == (
        "(fc1) Linear(in_dim=2, out_dim=3, with_bias=False)"
    )


LINEAR = "Linear(in_dim=3, out_dim=4, with_bias=True)"
KEY_FIX = "pass jax.random.key(seed), or leave it out to use the stream of pax.seed_rng_key."


@each(
    Bad(
        lambda: pax.Linear(0, 4),
        pax.ArgumentError,
        "Linear got in_dim=0; expected an integer of at least 1.",
        "set in_dim to a positive integer.",
    ),
    Bad(
        lambda: pax.Linear(3, -4),
        pax.ArgumentError,
        "Linear got out_dim=-4; expected an integer of at least 1.",
        "set out_dim to a positive integer.",
    ),
    Bad(
        lambda: pax.Linear(3.0, 4),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Linear got in_dim=3.0; expected an integer of at least 1.",
        "set in_dim to a positive integer.",
    ),
    Bad(
        lambda: pax.Linear(True, 4),
        pax.ArgumentError,
        "Linear got in_dim=True; expected an integer of at least 1.",
        "set in_dim to a positive integer.",
    ),
    Bad(
        lambda: pax.Linear(3, 4, "zeros"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Linear got with_bias of type str; expected True or False.",
        "write with_bias=True, and name the arguments after it.",
    ),
    Bad(
        lambda: pax.Linear(3, 4, w_init=0.1),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Linear got w_init of type float, which cannot be called.",
        "pass a function of (rng_key, shape): w_init=jax.nn.initializers.normal(0.02).",
    ),
    Bad(
        lambda: pax.Linear(3, 4, b_init="zeros"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Linear got b_init of type str, which cannot be called.",
        "pass a function of (rng_key, shape): b_init=jax.nn.initializers.normal(0.02).",
    ),
    Bad(
        lambda: pax.Linear(3, 4, w_init=lambda key, shape: np.zeros((4, 3))),
        pax.ArgumentError,
        "Linear got an array of shape (4, 3) from w_init; expected (3, 4).",
        "let w_init return an array of the shape that it is given: w_init(rng_key, shape).",
    ),
    Bad(
        lambda: pax.Linear(3, 4, b_init=lambda key, shape: np.zeros(1)),
        pax.ArgumentError,
        "Linear got an array of shape (1,) from b_init; expected (4,).",
        "let b_init return an array of the shape that it is given: b_init(rng_key, shape).",
    ),
    Bad(
        lambda: pax.Linear(3, 4, rng_key=5),
        pax.ArgumentError,
        "rng_key got 5; expected one random key of JAX.",
        KEY_FIX,
    ),
    Bad(
        lambda: pax.Linear(3, 4, rng_key=np.zeros((3, 2), np.uint32)),
        pax.ArgumentError,
        "rng_key got an array of shape (3, 2) and dtype uint32; expected one random key of JAX.",
        KEY_FIX,
    ),
    Bad(
        lambda: pax.Linear(3, 4),
        pax.DtypeError,
        f"{LINEAR} got input of type list; expected an array.",
        "convert it first: jnp.asarray(x).",
        ([[1.0, 2.0, 3.0]],),
    ),
    Bad(
        lambda: pax.Linear(3, 4),
        pax.DtypeError,
        f"{LINEAR} got input of type NoneType; expected an array.",
        "convert it first: jnp.asarray(x).",
        (None,),
    ),
    Bad(
        lambda: pax.Linear(3, 4),
        pax.DtypeError,
        f"{LINEAR} got input of dtype <U1; expected an array of numbers.",
        "turn what it holds into numbers first; rows of unequal lengths need padding.",
        (np.array(["a", "b", "c"]),),
    ),
    Bad(
        lambda: pax.Linear(3, 4),
        pax.ShapeError,
        f"{LINEAR} got input of shape (2, 5); expected (..., 3).",
        "the layer before gives 5 features; build this one with in_dim=5.",
        (np.zeros((2, 5), np.float32),),
    ),
    Bad(
        lambda: pax.Linear(3, 4),
        pax.ShapeError,
        f"{LINEAR} got input of shape (2, 0); expected (..., 3).",
        "give it a last axis of size 3.",
        (np.zeros((2, 0), np.float32),),
    ),
    Bad(
        lambda: pax.Linear(3, 4),
        pax.ShapeError,
        f"{LINEAR} got input of shape (); expected (..., 3).",
        "give it a last axis of size 3.",
        (np.zeros((), np.float32),),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
