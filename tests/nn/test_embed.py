"""The embedding table: rows, initial values, edges, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each


def by_hand() -> pax.Embed:
    """Returns a table whose rows tell their number."""
    return pax.Embed(3, 2).replace(weight=jnp.array([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]]))


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint8, jnp.int32])
def test_by_hand(dtype: Any) -> None:
    y = by_hand()(jnp.array([[2, 0], [1, 2]], dtype))
    np.testing.assert_array_equal(y, [[[20, 21], [0, 1]], [[10, 11], [20, 21]]])


def test_what_is_not_in_the_table_is_nan_in_compiled_programs() -> None:
    y = jax.jit(by_hand())(jnp.array([3, -1, 1]))
    np.testing.assert_array_equal(y, [[np.nan, np.nan], [np.nan, np.nan], [10, 11]])


@pytest.mark.parametrize("make", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_what_is_not_in_the_table_is_an_error_where_it_is_known(make: Any) -> None:
    class Model(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = by_hand()

        def __call__(self, x: Any) -> Any:
            return self.tokens(x)

    for indices, dtype, text in (
        (
            [[0, 7], [3, 1]],
            np.int8,
            "Embed(vocab_size=3, embed_dim=2) got the index 7; expected 0 to 2.\n"
            "  at: model.tokens\n"
            "  fix: build the table with vocab_size=8, or look for the wrong index.",
        ),
        (
            [2, -1, 5],
            np.int32,
            "Embed(vocab_size=3, embed_dim=2) got the index -1; expected 0 to 2.\n"
            "  at: model.tokens\n"
            "  fix: give padding an index of the table, and mask it out; none counts from the end.",
        ),
    ):
        with pytest.raises(pax.ArgumentError) as caught:
            Model()(make(np.array(indices, dtype)))
        assert str(caught.value) == text


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 1)], ids=str)
def test_edge_shapes(shape: tuple[int, ...]) -> None:
    y = by_hand()(jnp.zeros(shape, jnp.int32))
    assert (y.shape, y.dtype) == ((*shape, 2), jnp.float32)


def test_initial_values_come_from_the_key() -> None:
    key = jax.random.PRNGKey(3)
    expected = pax.initializers.truncated_normal(1.0)(key, (5, 4))
    np.testing.assert_array_equal(pax.Embed(5, 4, rng_key=key).weight, expected)
    pax.seed_rng_key(7)
    found = pax.Embed(5, 4).weight
    pax.seed_rng_key(7)
    np.testing.assert_array_equal(found, pax.Embed(5, 4, rng_key=pax.next_rng_key()).weight)


def test_own_initial_values() -> None:
    init, key = pax.initializers.normal(0.1), jax.random.PRNGKey(3)
    table = pax.Embed(5, 4, init, rng_key=key)
    np.testing.assert_array_equal(table.weight, init(key, (5, 4)))


def test_printed_form() -> None:
    assert repr(pax.Embed(3, 2)) == "Embed(vocab_size=3, embed_dim=2)"
    assert repr(pax.Embed(3, 2, name="tokens")) == "(tokens) Embed(vocab_size=3, embed_dim=2)"


EMBED = "Embed(vocab_size=3, embed_dim=2)"


@each(
    Bad(
        lambda: pax.Embed(0, 2),
        pax.ArgumentError,
        "Embed got vocab_size=0; expected an integer of at least 1.",
        "set vocab_size to a positive integer.",
    ),
    Bad(
        lambda: pax.Embed(3, -2),
        pax.ArgumentError,
        "Embed got embed_dim=-2; expected an integer of at least 1.",
        "set embed_dim to a positive integer.",
    ),
    Bad(
        lambda: pax.Embed(3, 2, "normal"),  # type: ignore[arg-type]
        pax.ArgumentError,
        "Embed got w_init of type str, which cannot be called.",
        "pass a function of (rng_key, shape): w_init=jax.nn.initializers.normal(0.02).",
    ),
    Bad(
        lambda: pax.Embed(3, 2, lambda key, shape: np.zeros((2, 3))),
        pax.ArgumentError,
        "Embed got an array of shape (2, 3) from w_init; expected (3, 2).",
        "let w_init return an array of the shape that it is given: w_init(rng_key, shape).",
    ),
    Bad(
        lambda: pax.Embed(3, 2),
        pax.DtypeError,
        f"{EMBED} got indices of dtype float32; expected integers.",
        "convert them first: x.astype(jnp.int32).",
        (np.zeros(4, np.float32),),
    ),
    Bad(
        lambda: pax.Embed(3, 2),
        pax.DtypeError,
        f"{EMBED} got indices of dtype bool; expected integers.",
        "convert them first: x.astype(jnp.int32).",
        (np.zeros(4, bool),),
    ),
    Bad(
        lambda: pax.Embed(3, 2),
        pax.DtypeError,
        f"{EMBED} got input of type list; expected an array.",
        "convert it first: jnp.asarray(x).",
        ([0, 1],),
    ),
    Bad(
        lambda: pax.Embed(3, 2),
        pax.DtypeError,
        f"{EMBED} got input of type int; expected an array.",
        "convert it first: jnp.asarray(x).",
        (1,),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
