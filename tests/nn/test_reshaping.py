"""Layers that change the shape, and a layer over several batch axes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from tests.nn.bad import Bad, each
from tests.nn.run import trained

X = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ((), (2, 60)),
        ((0,), (120,)),
        ((2,), (2, 3, 20)),
        ((0, 1), (6, 4, 5)),
        ((-3, -2), (2, 12, 5)),
        ((1, 1), (2, 3, 4, 5)),
    ],
    ids=str,
)
def test_flatten(axes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(pax.Flatten(*axes)(X), X.reshape(shape))
    assert pax.Flatten(*axes)(X[:, :0]).size == 0


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((60,), (2, 60)),
        ((-1,), (2, 60)),
        ([5, -1, 2], (2, 5, 6, 2)),
        ((60, 1, 1), (2, 60, 1, 1)),
        ((3, 4, 5, -1), (2, 3, 4, 5, 1)),
    ],
    ids=str,
)
def test_reshape(shape: Any, expected: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(pax.Reshape(shape)(X), X.reshape(expected))
    assert pax.Reshape(shape)(X[:0]).shape == (0, *expected[1:])


def test_reshape_to_numbers() -> None:
    np.testing.assert_array_equal(pax.Reshape(())(X[:, :1, 0, 0]), X[:, 0, 0, 0])


def test_batch_apply_joins_and_splits() -> None:
    over_time = pax.BatchApply(pax.Flatten())
    np.testing.assert_array_equal(over_time(X), X.reshape(2, 3, 20))
    np.testing.assert_array_equal(pax.BatchApply(jnp.negative, 4)(X), -X)
    assert over_time(X[:0]).shape == (0, 3, 20)


def test_batch_apply_takes_and_returns_containers() -> None:
    def swap(a: Any, others: dict[str, Any]) -> Any:
        return [others["b"] + a[:, None], a]

    total, first = pax.BatchApply(swap, 2)(X[..., 0, 0], {"b": X[:, :, 0]})
    np.testing.assert_allclose(total, X[:, :, 0] + X[:, :, :1, 0], rtol=1e-6)
    np.testing.assert_array_equal(first, X[..., 0, 0])


def test_batch_apply_updates_state_once_with_all_samples() -> None:
    layer = pax.BatchApply(pax.BatchNorm2D(5), 2)
    x = np.random.default_rng(1).standard_normal((2, 3, 4, 6, 5)).astype(np.float32)
    after, y = trained(layer, x)
    whole, expected = trained(pax.BatchNorm2D(5), x.reshape(6, 4, 6, 5))
    np.testing.assert_allclose(y, expected.reshape(x.shape), rtol=1e-5, atol=1e-5)
    means = after.module.ema_mean.averages, whole.ema_mean.averages
    np.testing.assert_allclose(*means, rtol=1e-6)


def test_bilinear() -> None:
    layer = pax.Bilinear(2, 3, 4, b_init=pax.initializers.normal(1.0))
    left, right = X[..., :2], X[..., 2:]
    y = np.einsum("abci,abcj,ijk->abck", left, right, layer.weight) + np.asarray(layer.bias)
    np.testing.assert_allclose(layer(left, right), y, rtol=1e-4, atol=1e-5)
    assert layer(left[0, 0, 0], right[0, 0, 0]).shape == (4,)
    assert layer(left[:0], right[:0]).shape == (0, 3, 4, 4)
    big = pax.Bilinear(40, 50, 30, False)
    assert big.bias is None
    assert abs(float(big.weight.var()) * 2000 - 1) < 0.03


def test_printed_forms() -> None:
    assert repr(pax.Flatten()) == "Flatten(start_axis=1, end_axis=-1)"
    assert repr(pax.Reshape([2, -1], name="r")) == "(r) Reshape(shape=(2, -1))"
    assert pax.BatchApply(jax.nn.relu).summary() == "BatchApply(num_dims=2)\n└── x => relu(x)"
    assert (
        repr(pax.Bilinear(2, 3, 4))
        == "Bilinear(left_dim=2, right_dim=3, out_dim=4, with_bias=True)"
    )


def shape_of_samples(value: Any) -> Bad:
    """Returns a shape that is refused."""
    return Bad(
        lambda: pax.Reshape(value),
        pax.ArgumentError,
        f"Reshape got shape={value!r}; expected a sequence of sizes, at most one of them -1.",
        "give the shape of one sample, without the batch: pax.Reshape((7, 7, 64)).",
    )


def does_not_fit(shape: Any, x: Any, entries: str) -> Bad:
    """Returns an input that a shape does not fit."""
    return Bad(
        lambda: pax.Reshape(shape),
        pax.ShapeError,
        f"Reshape(shape={shape}) got input of shape {x.shape}, whose samples have {entries} "
        "entries.",
        "change shape to one of as many entries; the first axis of the input, the batch, stays.",
        (x,),
    )


BILINEAR = "Bilinear(left_dim=5, right_dim=5, out_dim=2, with_bias=True)"


@each(
    *map(shape_of_samples, [10, (-1, -1), (3, -2), (2.0,), "34", None]),
    does_not_fit((7, -1), X, "60"),
    does_not_fit((61,), X, "60"),
    does_not_fit((0, -1), X[:, :0], "0"),
    does_not_fit((1,), np.float32(1), "no batch axis and 1"),
    Bad(
        lambda: pax.Flatten(1.0),
        pax.ArgumentError,
        "Flatten got start_axis=1.0; expected an integer.",
        "write start_axis=1.",
    ),
    *[
        Bad(
            lambda axes=axes: pax.Flatten(*axes),
            pax.ShapeError,
            f"Flatten(start_axis={axes[0]}, end_axis={axes[1]}) got input of shape {x.shape}, "
            f"which has no axes from {axes[0]} to {axes[1]}.",
            "choose axes that the input has, in order; start_axis=0 where there is no batch.",
            (x,),
        )
        for axes, x in [((1, -1), X[0, 0, 0]), ((2, 1), X), ((0, 4), X), ((-5, -1), X)]
    ],
    Bad(
        lambda: pax.BatchApply(3),
        pax.ArgumentError,
        "BatchApply got a value of type int as module, which cannot be called.",
        "pass a module: pax.BatchApply(pax.Conv2D(3, 8, 3)).",
    ),
    Bad(
        lambda: pax.BatchApply(jnp.abs, 0),
        pax.ArgumentError,
        "BatchApply got num_dims=0; expected an integer of at least 1.",
        "set num_dims to a positive integer.",
    ),
    Bad(
        lambda: pax.BatchApply(jnp.abs),
        pax.ShapeError,
        "BatchApply(num_dims=2) got inputs of shapes (5,); expected the same first 2 axes in all.",
        "give all inputs the batch axes, or set num_dims to the number that they share.",
        (X[0, 0, 0],),
    ),
    Bad(
        lambda: pax.BatchApply(jnp.add),
        pax.ShapeError,
        "BatchApply(num_dims=2) got inputs of shapes (2, 3, 4, 5), (3, 4, 5); expected the same "
        "first 2 axes in all.",
        "give all inputs the batch axes, or set num_dims to the number that they share.",
        (X, X[0]),
    ),
    Bad(
        lambda: pax.BatchApply(jnp.sum),
        pax.ShapeError,
        "BatchApply(num_dims=2) got an output of module of shape () for a batch of 6; expected "
        "(6, ...).",
        "let the module return its outputs with the batch first.",
        (X,),
    ),
    Bad(
        lambda: pax.Bilinear(3, 0, 4),
        pax.ArgumentError,
        "Bilinear got right_dim=0; expected an integer of at least 1.",
        "set right_dim to a positive integer.",
    ),
    Bad(
        lambda: pax.Bilinear(5, 4, 2),
        pax.ShapeError,
        "Bilinear(left_dim=5, right_dim=4, out_dim=2, with_bias=True) got right of shape "
        "(2, 3, 4, 5); expected (..., 4).",
        "the layer before gives 5 features; build this one with right_dim=5.",
        (X, X),
    ),
    Bad(
        lambda: pax.Bilinear(5, 5, 2),
        pax.ShapeError,
        f"{BILINEAR} got left of shape (2, 3, 4, 5) and right of shape (3, 4, 5); expected "
        "the same axes but for the last.",
        "repeat the smaller one: jnp.broadcast_to(...).",
        (X, X[0]),
    ),
)
def test_bad_input(bad: Bad, unchecked: None) -> None:
    bad.check()
