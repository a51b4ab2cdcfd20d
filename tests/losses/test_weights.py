"""One rule of means, weights and masks in every loss; what does not count is never looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax import losses

B, K = 6, 4
GENERATOR = np.random.default_rng(5)
LABELS = jnp.asarray(GENERATOR.integers(K, size=B), jnp.int32)
PLACES = jnp.asarray(GENERATOR.integers(K, size=(B, 3)), jnp.int32)
WORDS = jnp.asarray(GENERATOR.integers(1, K, size=(B, 2)), jnp.int32)
LENGTHS = (jnp.array([5, 4, 5, 3, 5, 5]), jnp.array([2, 1, 2, 0, 2, 1]))
GROUPS = jnp.array([0, 1, 0, 1, 0, 1])

#: Loss of floating arrays of these shapes, each with the examples first.
LOSSES: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "cross_entropy": (
        lambda x, n, **how: losses.cross_entropy(x, LABELS[:n], label_smoothing=0.1, **how),
        [(B, K)],
    ),
    "cross_entropy, probabilities": (
        lambda x, n, **how: losses.cross_entropy(x, jnp.full((n, K), 1 / K), **how),
        [(B, K)],
    ),
    "focal_loss": (lambda x, n, **how: losses.focal_loss(x, LABELS[:n], **how), [(B, K)]),
    "dice_loss": (lambda x, n, **how: losses.dice_loss(x, PLACES[:n], **how), [(B, 3, K)]),
    "ctc_loss": (
        lambda x, n, **how: losses.ctc_loss(x, WORDS[:n], *(y[:n] for y in LENGTHS), **how),
        [(B, 5, K)],
    ),
    "info_nce": (lambda x, y, n, **how: losses.info_nce(x, y, **how), [(B, 3), (B, 3)]),
    "nt_xent": (lambda x, y, n, **how: losses.nt_xent(x, y, **how), [(B, 3), (B, 3)]),
    "batch_hard_triplet_loss": (
        lambda x, n, **how: losses.batch_hard_triplet_loss(x, GROUPS[:n], margin=9.0, **how),
        [(B, 3)],
    ),
}
PADDED = jnp.array([True, True, True, True, False, False])
over_losses = pytest.mark.parametrize("name", LOSSES)
#: The rule is one for all; the quick suite compiles it in one loss.
QUICK = {"cross_entropy"}
over_some = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in LOSSES],
)


def drawn(name: str) -> list[jax.Array]:
    """Returns random floating arrays for a loss."""
    return [jnp.asarray(GENERATOR.standard_normal(s), jnp.float32) for s in LOSSES[name][1]]


def spoiled(x: jax.Array) -> jax.Array:
    """Returns the array with NaN in the rows that do not count."""
    return jnp.where(PADDED.reshape(-1, *(1 for _ in x.shape[1:])), x, jnp.nan)


def test_every_loss_is_here() -> None:
    public = {name for name in vars(losses) if callable(getattr(losses, name))}
    assert {name.split(",")[0] for name in LOSSES} == public


@over_some
def test_a_padded_batch_counts_as_the_rows_that_are_there(name: str) -> None:
    loss, xs = LOSSES[name][0], drawn(name)

    def padded(xs: list[jax.Array]) -> jax.Array:
        return loss(*xs, B, weights=PADDED)

    found, gradients = jax.jit(jax.value_and_grad(padded))([spoiled(x) for x in xs])
    expected, short = jax.value_and_grad(lambda xs: loss(*xs, 4))([x[:4] for x in xs])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for gradient, of_rows in zip(gradients, short, strict=True):
        np.testing.assert_allclose(gradient[:4], of_rows, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(gradient[4:], 0)


@over_some
def test_sum_and_mean_are_those_of_the_single_losses(name: str) -> None:
    loss, xs = LOSSES[name][0], drawn(name)
    each = loss(*xs, B, reduction="none")
    assert each.shape == (B,)
    np.testing.assert_allclose(loss(*xs, B, reduction="sum"), each.sum(), rtol=1e-6)
    np.testing.assert_allclose(loss(*xs, B), each.mean(), rtol=1e-6)
    weights = jnp.array([0.5, 2.0, 1.0, 3.0, 0.25, 1.5])
    weighted = loss(*xs, B, weights=weights, reduction="none")
    np.testing.assert_allclose(weighted, weights * each, rtol=1e-6)
    np.testing.assert_allclose(
        loss(*xs, B, weights=weights), weighted.sum() / weights.sum(), rtol=1e-6
    )


@over_some
def test_the_mean_of_nothing_is_zero(name: str) -> None:
    loss, xs = LOSSES[name][0], drawn(name)
    zeros = jnp.zeros(B)
    value, gradients = jax.value_and_grad(lambda xs: loss(*xs, B, weights=zeros))(xs)
    assert value == 0
    assert not any(np.any(gradient) for gradient in gradients)
    assert loss(*(x[:0] for x in xs), 0) == 0


@over_some
def test_half_precision_is_computed_in_float32(name: str) -> None:
    loss, xs = LOSSES[name][0], drawn(name)
    half = [x.astype(jnp.bfloat16) for x in xs]
    found = loss(*half, B)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, loss(*(x.astype(jnp.float32) for x in half), B), rtol=1e-6)


@pytest.mark.slow
def test_uneven_parts_add_up_to_the_mean_of_the_whole() -> None:
    """Over parts: the sum of the losses over the sum of the weights."""
    logits, mask = drawn("cross_entropy")[0], jnp.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    parts = [slice(0, 4), slice(4, 6)]
    total = sum(
        losses.cross_entropy(logits[i], LABELS[i], weights=mask[i], reduction="sum") for i in parts
    )
    whole = losses.cross_entropy(logits, LABELS, weights=mask)
    np.testing.assert_allclose(total / mask.sum(), whole, rtol=1e-6)


@over_losses
def test_a_wrong_reduction(name: str) -> None:
    with pytest.raises(pax.ArgumentError) as error:
        LOSSES[name][0](*drawn(name), B, reduction="avg")
    assert str(error.value) == (
        f"{name.split(',')[0]} got reduction='avg'; expected one of 'mean', 'sum', 'none'.\n"
        "  fix: write reduction='mean'."
    )


@over_losses
def test_weights_of_another_shape(name: str) -> None:
    with pytest.raises(pax.ShapeError) as error:
        LOSSES[name][0](*drawn(name), B, weights=jnp.ones((B, 1)))
    assert str(error.value) == (
        f"{name.split(',')[0]} got weights of shape (6, 1); expected (6,).\n"
        "  fix: give one weight for each example: jnp.broadcast_to(weights, shape) repeats them."
    )
