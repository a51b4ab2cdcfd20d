"""Layers that change their input at random while training: keys, statistics, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
import pax.functional as F
from tests.nn.bad import Bad, Nested, each
from tests.nn.run import trained

X = np.random.default_rng(0).standard_normal((40, 5, 6, 8)).astype(np.float32)
INTS = (np.arange(6, dtype=np.int32).reshape(1, 2, 3),)

#: A layer, the same with nothing to do, and its function.
LAYERS: dict[str, tuple[Any, Any, Callable[..., Any]]] = {
    "DropPath": (pax.DropPath(0.3), pax.DropPath(0.0), lambda k, x: F.drop_path(k, 0.3, x)),
    "SpatialDropout": (
        pax.SpatialDropout(0.3, data_format="NC..."),
        pax.SpatialDropout(0),
        lambda k, x: F.spatial_dropout(k, 0.3, x, data_format="NC..."),
    ),
    "AlphaDropout": (
        pax.AlphaDropout(0.3),
        pax.AlphaDropout(0.0),
        lambda k, x: F.alpha_dropout(k, 0.3, x),
    ),
    "DropBlock": (
        pax.DropBlock(0.3, 2, data_format="NC..."),
        pax.DropBlock(0.0, 2),
        lambda k, x: F.drop_block(k, 0.3, 2, x, data_format="NC..."),
    ),
    "GaussianNoise": (
        pax.GaussianNoise(0.3),
        pax.GaussianNoise(0),
        lambda k, x: F.gaussian_noise(k, 0.3, x),
    ),
}


@pytest.mark.parametrize(
    "name", ["DropPath", *(pytest.param(name, marks=pytest.mark.slow) for name in list(LAYERS)[1:])]
)
def test_calls_split_the_key_and_are_the_function(name: str) -> None:
    layer, _, function = LAYERS[name]
    key = layer.rng_key
    for _ in range(2):
        layer, y = trained(layer, X)
        key, own = jax.random.split(key)
        np.testing.assert_array_equal(layer.rng_key, key)
        np.testing.assert_allclose(y, function(own, X), rtol=1e-6)
        assert not np.array_equal(y, X)


@pytest.mark.parametrize("name", LAYERS)
def test_the_input_comes_back_in_evaluation_and_where_there_is_nothing_to_do(name: str) -> None:
    layer, nothing, _ = LAYERS[name]
    x = jnp.asarray(X)
    assert layer.eval()(x) is x
    after, _ = trained(nothing, x)
    assert nothing(x) is x
    np.testing.assert_array_equal(after.rng_key, nothing.rng_key)


@pytest.mark.parametrize("name", LAYERS)
def test_a_training_call_outside_pure_is_refused(name: str) -> None:
    with pytest.raises(pax.PurityError, match=f"`rng_key` of {name}"):
        Nested(LAYERS[name][0].copy())(X)


@pytest.mark.parametrize("name", LAYERS)
def test_the_first_key_is_the_next_of_the_stream_and_nothing_is_trainable(name: str) -> None:
    make = type(LAYERS[name][0])
    given = {"block_size": 2} if name == "DropBlock" else {}
    pax.seed_rng_key(7)
    layer = make(0.3, **given)
    pax.seed_rng_key(7)
    np.testing.assert_array_equal(layer.rng_key, pax.next_rng_key())
    assert jax.tree.leaves(layer.parameters()) == []


@pytest.mark.slow
def test_the_branch_of_a_block_is_skipped_sample_by_sample() -> None:
    class Block(pax.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = pax.Linear(8, 8)
            self.path = pax.DropPath(0.5)

        def __call__(self, x: jax.Array) -> jax.Array:
            return x + self.path(self.fc(x))

    block, x = Block(), X[:, 0, 0]
    skipped = trained(block, x)[1] == x
    assert (skipped.all(axis=1) == skipped.any(axis=1)).all()
    assert 5 < skipped.all(axis=1).sum() < 35


def test_printed_forms() -> None:
    assert repr(pax.DropPath(0.1, name="p")) == "(p) DropPath(dropout_rate=0.1)"
    assert repr(pax.AlphaDropout(0)) == "AlphaDropout(dropout_rate=0.0)"
    assert repr(pax.GaussianNoise(1)) == "GaussianNoise(stddev=1.0)"
    assert repr(pax.SpatialDropout(0.5)) == "SpatialDropout(dropout_rate=0.5, data_format=N...C)"
    assert (
        repr(pax.DropBlock(0.5, 7, data_format="NC..."))
        == "DropBlock(dropout_rate=0.5, block_size=7, data_format=NC...)"
    )


def rates(make: Callable[[Any], Any], layer: str) -> list[Bad]:
    """Returns rates that are refused."""
    return [
        Bad(
            lambda value=value: make(value),
            pax.ArgumentError,
            f"{layer} got dropout_rate={value!r}; expected a number in [0, 1).",
            "write dropout_rate=0.1.",
        )
        for value in (1.0, -0.1, float("nan"), None)
    ]


def integers(make: Callable[[], Any], text: str) -> Bad:
    """Returns a call with integers."""
    return Bad(
        make,
        pax.DtypeError,
        f"{text} got input of dtype int32; expected a floating dtype.",
        "convert it first: x.astype(jnp.float32).",
        INTS,
    )


@each(
    *rates(pax.DropPath, "DropPath"),
    *rates(pax.SpatialDropout, "SpatialDropout"),
    *rates(pax.AlphaDropout, "AlphaDropout"),
    *rates(lambda value: pax.DropBlock(value, 2), "DropBlock"),
    *[
        Bad(
            lambda value=value: pax.GaussianNoise(value),
            pax.ArgumentError,
            f"GaussianNoise got stddev={value!r}; expected a finite number of at least 0.",
            "write stddev=0.1.",
        )
        for value in (-1.0, float("inf"), "1", True)
    ],
    Bad(
        lambda: pax.SpatialDropout(0.5, data_format="NHWC"),
        pax.ArgumentError,
        "SpatialDropout got data_format='NHWC'; expected one of 'N...C', 'NC...'.",
        "write data_format='N...C'.",
    ),
    Bad(
        lambda: pax.DropBlock(0.5, 0),
        pax.ArgumentError,
        "DropBlock got block_size=0; expected an integer of at least 1.",
        "set block_size to a positive integer.",
    ),
    integers(lambda: pax.DropPath(0.5), "DropPath(dropout_rate=0.5)"),
    integers(lambda: pax.AlphaDropout(0.5), "AlphaDropout(dropout_rate=0.5)"),
    integers(lambda: pax.GaussianNoise(0.5), "GaussianNoise(stddev=0.5)"),
    integers(
        lambda: pax.SpatialDropout(0.5), "SpatialDropout(dropout_rate=0.5, data_format=N...C)"
    ),
    integers(
        lambda: pax.DropBlock(0.5, 3),
        "DropBlock(dropout_rate=0.5, block_size=3, data_format=N...C)",
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()


def test_errors_of_the_function_carry_the_path() -> None:
    with pytest.raises(pax.ShapeError) as raised:
        trained(Nested(pax.DropBlock(0.5, 7)), X)
    assert str(raised.value) == (
        "drop_block got x of shape (40, 5, 6, 8), N...C; a block of 7 places along each axis "
        "does not fit.\n  at: model.blocks.0.layer\n  fix: choose a block_size of at most 5."
    )
