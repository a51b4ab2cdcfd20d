"""Dropout: the law of its keys and masks, its statistics, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, Nested, each
from tests.nn.run import trained

X = np.random.default_rng(0).standard_normal((40, 50)).astype(np.float32)


@pytest.mark.parametrize("make_key", [jax.random.PRNGKey, jax.random.key])
def test_two_calls_follow_the_law_of_keys_and_masks(make_key: Any) -> None:
    key = make_key(5)
    layer = pax.Dropout(0.3).replace(rng_key=key)
    for _ in range(2):
        layer, y = trained(layer, X)
        key, mask_key = jax.random.split(key)
        dropped = jax.random.bernoulli(mask_key, 0.3, X.shape)
        np.testing.assert_array_equal(jax.random.key_data(layer.rng_key), jax.random.key_data(key))
        np.testing.assert_array_equal(y == 0, dropped)
        np.testing.assert_allclose(y, np.where(dropped, 0, X / np.float32(0.7)), rtol=1e-6)


def test_the_function_drops_as_the_layer_does() -> None:
    layer = pax.Dropout(0.3)
    _, key = jax.random.split(layer.rng_key)
    np.testing.assert_array_equal(trained(layer, X)[1], pax.dropout(key, 0.3, X))


def test_the_first_key_is_the_next_of_the_stream() -> None:
    pax.seed_rng_key(7)
    layer = pax.Dropout(0.3)
    pax.seed_rng_key(7)
    np.testing.assert_array_equal(layer.rng_key, pax.next_rng_key())


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_of_dropped_elements_and_the_mean(rate: float) -> None:
    x = np.full((300, 300), 2.0, np.float32)
    y = np.asarray(trained(pax.Dropout(rate), x)[1])
    share = (rate * (1 - rate)) ** 0.5 / 300  # one standard deviation of the share
    assert abs((y == 0).mean() - rate) < 4 * share
    assert abs(y.mean() / 2 - 1) < 4 * share / (1 - rate)
    np.testing.assert_allclose(np.unique(y), [0, 2 / (1 - rate)], rtol=1e-6)


def test_in_evaluation_the_input_comes_back() -> None:
    x = jnp.asarray(X)
    assert pax.Dropout(0.5).eval()(x) is x


def test_with_rate_0_the_input_comes_back_and_no_key_is_used() -> None:
    x, layer = jnp.asarray(X), pax.Dropout(0.0)
    after, y = trained(layer, x)
    assert layer(x) is x
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(after.rng_key, layer.rng_key)


@pytest.mark.parametrize("shape", [(), (0,), (1, 1)], ids=str)
def test_edge_shapes(shape: tuple[int, ...]) -> None:
    assert trained(pax.Dropout(0.5), jnp.zeros(shape))[1].shape == shape


def test_a_rate_of_numpy_does_not_widen_the_input(unchecked: None) -> None:
    y = trained(pax.Dropout(np.float32(0.5)), jnp.zeros(3, jnp.bfloat16))[1]
    assert y.dtype == jnp.bfloat16


def test_it_has_no_parameters() -> None:
    assert jax.tree.leaves(pax.Dropout(0.5).parameters()) == []


def test_a_training_call_outside_pure_is_refused() -> None:
    with pytest.raises(pax.PurityError, match="`rng_key` of Dropout") as raised:
        Nested(pax.Dropout(0.5))(X)
    assert raised.value.path == "model.blocks.0.layer"
    assert "pax.purecall" in raised.value.fix


def test_printed_form() -> None:
    assert repr(pax.Dropout(0.5, name="drop")) == "(drop) Dropout(dropout_rate=0.5)"


def rate(value: Any) -> Bad:
    """Returns a rate that is refused."""
    return Bad(
        lambda: pax.Dropout(value),
        pax.ArgumentError,
        f"Dropout got dropout_rate={value!r}; expected a number in [0, 1).",
        "write dropout_rate=0.1.",
    )


@each(
    *map(rate, [1.0, 1, -0.1, 1.5, float("nan"), "0.5", None, False]),
    Bad(
        lambda: pax.Dropout(0.5),
        pax.DtypeError,
        "Dropout(dropout_rate=0.5) got input of dtype int32; expected a floating dtype.",
        "convert it first: x.astype(jnp.float32).",
        (np.arange(3, dtype=np.int32),),
    ),
    Bad(
        lambda: pax.Dropout(0.5).eval(),
        pax.DtypeError,
        "Dropout(dropout_rate=0.5) got input of type float; expected an array.",
        "convert it first: jnp.asarray(x).",
        (0.5,),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
