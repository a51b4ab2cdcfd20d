"""Losses by hand, and at the ends of the range: huge logits, classes ruled out, no such label."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pax import losses

HUGE = jnp.array([[1e30, -1e30, 0.0], [-1e4, 1e4, 0.0], [0.0, 0.0, 1e30]])


def test_cross_entropy_by_hand() -> None:
    logits, labels = jnp.log(jnp.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]])), jnp.array([0, 2])
    np.testing.assert_allclose(
        losses.cross_entropy(logits, labels), -(math.log(0.5) + math.log(0.3)) / 2, rtol=1e-6
    )
    np.testing.assert_allclose(
        losses.cross_entropy(logits, labels, class_weights=jnp.array([1.0, 5.0, 3.0])),
        -(math.log(0.5) + 3 * math.log(0.3)) / 4,
        rtol=1e-6,
    )


@pytest.mark.parametrize("smoothing", [pytest.param(0.0, marks=pytest.mark.slow), 0.1])
def test_a_class_ruled_out_is_as_if_it_were_not_there(smoothing: float) -> None:
    logits = jnp.array([[0.3, -jnp.inf, 1.0, -jnp.inf], [2.0, 0.5, -jnp.inf, -jnp.inf]])
    labels = jnp.array([2, 0])

    def masked(x: jax.Array) -> jax.Array:
        return losses.cross_entropy(x, labels, label_smoothing=smoothing)

    value, gradient = jax.value_and_grad(masked)(logits)
    seen = jnp.array([[0.3, 1.0], [2.0, 0.5]])
    expected = losses.cross_entropy(seen, jnp.array([1, 0]), label_smoothing=smoothing)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert np.isfinite(gradient).all()
    assert not np.any(gradient[jnp.isinf(logits)])


def test_a_label_ruled_out_is_impossible() -> None:
    logits = jnp.array([[-jnp.inf, 0.0, 1.0]])
    for loss in (losses.cross_entropy, losses.focal_loss):
        assert loss(logits, jnp.array([0])) == jnp.inf


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.focal_loss])
@pytest.mark.parametrize(
    "labels", [pytest.param([0, 1, 2], marks=pytest.mark.slow), [1, 0, 0]], ids=["right", "wrong"]
)
def test_huge_logits(loss, labels: list[int]) -> None:
    value, gradient = jax.value_and_grad(lambda x: loss(x, jnp.array(labels)))(HUGE)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    if labels == [0, 1, 2]:
        assert value == 0


@pytest.mark.parametrize("label", [-1, 3])
@pytest.mark.parametrize("jit", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_label_that_is_no_class_gives_nan(label: int, jit: bool) -> None:
    labels = jnp.array([[0, label], [1, 2]])
    logits = jnp.asarray(np.random.default_rng(0).standard_normal((2, 2, 3)), jnp.float32)
    for loss, expected in (
        (losses.cross_entropy, [[False, True], [False, False]]),
        (losses.focal_loss, [[False, True], [False, False]]),
        (losses.dice_loss, [True, False]),
    ):
        run = jax.jit(loss, static_argnames="reduction") if jit else loss
        found = run(logits, labels, reduction="none")
        np.testing.assert_array_equal(np.isnan(found), expected)
    ignoring = losses.cross_entropy(logits, labels, ignore_index=label)
    kept = losses.cross_entropy(logits, labels, weights=labels != label)
    assert ignoring == kept


@pytest.mark.slow
def test_small_labels_and_many_classes() -> None:
    logits = jnp.asarray(np.random.default_rng(0).standard_normal((3, 300)), jnp.float32)
    labels = np.array([0, 127, 5])
    expected = losses.cross_entropy(logits, labels)
    for dtype in (np.int8, np.uint8, np.int16):
        found = losses.cross_entropy(logits, labels.astype(dtype), ignore_index=-100)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_focal_with_gamma_0_is_cross_entropy() -> None:
    logits = jnp.asarray(np.random.default_rng(0).standard_normal((5, 3)), jnp.float32)
    labels, by_class = jnp.array([0, 1, 2, 1, 0]), jnp.array([1.0, 2.0, 0.5])
    np.testing.assert_allclose(
        losses.focal_loss(logits, labels, gamma=0.0, class_weights=by_class),
        losses.cross_entropy(logits, labels, class_weights=by_class),
        rtol=1e-6,
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.slow
def test_focal_where_one_class_is_all_there_is(gamma: float) -> None:
    logits = jnp.array([[1.0, -jnp.inf], [0.0, 0.0]])
    labels = jnp.array([0, 1])
    value, gradient = jax.value_and_grad(
        lambda x: losses.focal_loss(x, labels, gamma=gamma, reduction="sum")
    )(logits)
    np.testing.assert_allclose(value, 0.5**gamma * math.log(2), rtol=1e-6)
    assert np.isfinite(gradient).all()


@pytest.mark.slow
def test_focal_keeps_its_digits_where_the_model_is_sure() -> None:
    """1 - p = exp(-40) is far below what float32 tells from 0 as 1 - p."""
    found = losses.focal_loss(jnp.array([[40.0, 0.0]]), jnp.array([1]), gamma=1.0)
    np.testing.assert_allclose(found, 40.0, rtol=1e-6)
    sure = jnp.array([[20.0, 0.0]])
    gradient = jax.grad(lambda x: losses.focal_loss(x, jnp.array([0]), gamma=0.5))(sure)
    np.testing.assert_allclose(gradient, 0, atol=1e-8)


@pytest.mark.slow
def test_dice_without_smoothing() -> None:
    """The third class is nowhere: found with exp(-60), and then ruled out."""
    logits, labels = 60 * jax.nn.one_hot(jnp.array([[0, 1, 1, 0]]), 3), jnp.array([[0, 1, 0, 0]])
    value, gradient = jax.value_and_grad(lambda x: losses.dice_loss(x, labels, smooth=0.0))(logits)
    np.testing.assert_allclose(value, 1 - (4 / 5 + 2 / 3 + 1) / 3, atol=1e-6)
    assert np.isfinite(gradient).all()
    nowhere = jnp.where(jnp.arange(3)[None, None] == 2, -jnp.inf, logits)
    value = losses.dice_loss(nowhere, labels, smooth=0.0)
    np.testing.assert_allclose(value, 1 - (4 / 5 + 2 / 3 + 1) / 3, atol=1e-6)


def test_dice_over_no_class_is_zero() -> None:
    logits = jnp.asarray(np.random.default_rng(0).standard_normal((2, 4, 3)), jnp.float32)
    labels = jnp.array([[0, 1, 2, 1], [2, 2, 0, 7]])  # what is no class stays NaN

    def loss(x: jax.Array, by_class: list[float]) -> jax.Array:
        by = jnp.array(by_class)
        return losses.dice_loss(x, labels, class_weights=by, reduction="none")

    np.testing.assert_array_equal(loss(logits, [0.0, 0.0, 0.0]), [0.0, np.nan])
    gradient = jax.grad(lambda x: loss(x, [0.0, 0.0, 0.0])[0])(logits)
    np.testing.assert_array_equal(gradient, np.zeros_like(logits))
    assert np.isinf(loss(logits, [1.0, -1.0, 0.0])[0])  # which are not nothing


def test_dice_of_what_is_right_is_zero() -> None:
    labels = jnp.array([[0, 1, 2, 0]])
    found = losses.dice_loss(200.0 * jax.nn.one_hot(labels, 3), labels)
    np.testing.assert_allclose(found, 0, atol=1e-6)


@pytest.mark.slow
def test_ctc_by_hand() -> None:
    p = jnp.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.3, 0.3, 0.4]])  # blank, a, b
    ab = 0.5 * 0.3 * 0.4 + 0.5 * 0.6 * 0.4 + 0.5 * 0.1 * 0.3 + 0.5 * 0.1 * 0.4 + 0.2 * 0.3 * 0.4
    aa = 0.5 * 0.6 * 0.3
    blanks = 0.2 * 0.6 * 0.3
    found = losses.ctc_loss(
        jnp.log(jnp.stack([p] * 3)),
        jnp.array([[1, 2], [1, 1], [2, 2]]),
        jnp.array([3, 3, 3]),
        jnp.array([2, 2, 0]),
        reduction="none",
    )
    np.testing.assert_allclose(jnp.exp(-found), [ab, aa, blanks], rtol=1e-5)


@pytest.mark.slow
def test_ctc_without_an_alignment() -> None:
    logits = jnp.asarray(np.random.default_rng(0).standard_normal((4, 3, 4)), jnp.float32)
    labels = jnp.array([[1, 1], [1, 2], [1, 2], [3, 1]])
    logits = logits.at[3, :, 3].set(-jnp.inf)

    def loss(x: jax.Array) -> jax.Array:
        return losses.ctc_loss(x, labels, jnp.array([2, 1, 2, 3]), jnp.full(4, 2), reduction="none")

    found, pull = jax.vjp(loss, logits)
    np.testing.assert_array_equal(np.isinf(found), [True, True, False, True])
    (gradient,) = pull(jnp.ones(4))
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(np.any(gradient, axis=(1, 2)), [False, False, True, False])


@pytest.mark.slow
def test_ctc_costs_more_than_optax_can_count() -> None:
    """Each of 2,000 places costs 1,000: beyond the -1e5 that stands for log 0 by default."""
    logits = jnp.zeros((1, 2000, 2)).at[:, :, 1].set(1000.0)
    blanks = losses.ctc_loss(logits, jnp.zeros((1, 1), int), jnp.array([2000]), jnp.array([0]))
    np.testing.assert_allclose(blanks, 2e6, rtol=1e-5)


@pytest.mark.parametrize(("time", "size"), [(0, 0), (0, 2), (3, 0)])
@pytest.mark.slow
def test_ctc_of_nothing(time: int, size: int) -> None:
    found = losses.ctc_loss(
        jnp.zeros((2, time, 4)),
        jnp.ones((2, size), int),
        jnp.full(2, time),
        jnp.array([0, size]),
        reduction="none",
    )
    blanks = time * math.log(4)
    np.testing.assert_allclose(found, [blanks, jnp.inf if size else blanks], rtol=1e-6)


@pytest.mark.parametrize(
    ("labels", "times", "sizes"),
    [([0, 2], 3, 2), ([1, 4], 3, 2), ([-1, 2], 3, 2), ([1, 2], 4, 2), ([1, 2], 3, 3)],
    ids=["blank", "no class", "negative", "longer than the logits", "longer than the labels"],
)
def test_ctc_of_wrong_labels_and_lengths_is_nan(labels: list[int], times: int, sizes: int) -> None:
    logits = jnp.zeros((1, 3, 4))
    found = losses.ctc_loss(logits, jnp.array([labels]), jnp.array([times]), jnp.array([sizes]))
    assert jnp.isnan(found)
    assert jnp.isfinite(
        losses.ctc_loss(logits, jnp.array([[3, 99]]), jnp.array([3]), jnp.array([1]))
    )


@pytest.mark.parametrize("loss", [losses.info_nce, losses.nt_xent])
@pytest.mark.slow
def test_contrast_of_rows_of_any_length(loss) -> None:
    a, b = (
        jnp.asarray(np.random.default_rng(i).standard_normal((4, 3)), jnp.float32) for i in (0, 1)
    )
    scaled = loss(1e10 * a, 1e-10 * b)
    np.testing.assert_allclose(scaled, loss(a, b), rtol=1e-5)
    value, gradient = jax.value_and_grad(lambda x: loss(x, b))(a.at[1].set(0.0))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(loss(a[:1], b[:1]), 0.0, atol=1e-5)


def test_nt_xent_makes_no_array_of_all_differences() -> None:
    """Memory goes with the pairs of rows, not with the pairs times their width."""
    rows = jax.ShapeDtypeStruct((64, 256), jnp.float32)
    program = jax.jit(losses.nt_xent).lower(rows, rows).compile()
    assert program.memory_analysis().temp_size_in_bytes < 4 * 128 * 128 * 10


def test_hardest_triplets_by_hand() -> None:
    z = jnp.array([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0], [9.0, 9.0], [0.0, 2.0]])
    found = losses.batch_hard_triplet_loss(z, jnp.array([0, 0, 1, 2, 1]), reduction="none")
    near = math.hypot(3, 2)  # of the second row to the last
    np.testing.assert_allclose(found, [5 - 1 + 1, 5 - near + 1, 5**0.5 - 1 + 1, 0, 5**0.5 - 2 + 1])


@pytest.mark.slow
def test_triplets_of_equal_rows_have_finite_gradients() -> None:
    z, labels = jnp.ones((4, 3)), jnp.array([0, 0, 1, 1])
    value, gradient = jax.value_and_grad(lambda z: losses.batch_hard_triplet_loss(z, labels))(z)
    assert value == 1.0
    assert np.isfinite(gradient).all()


def test_triplets_far_from_the_origin_are_those_near_it() -> None:
    z = 0.1 * np.random.default_rng(0).standard_normal((16, 4)).astype(np.float32)
    labels = np.arange(16) % 4
    near = losses.batch_hard_triplet_loss(z, labels)
    far = losses.batch_hard_triplet_loss(z + 1000, labels)
    np.testing.assert_allclose(far, near, atol=1e-3)  # z + 1000 keeps three digits of z


def test_the_place_of_a_row_that_does_not_count_decides_nothing() -> None:
    z = 0.1 * np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    mask = np.arange(8) > 0
    found = losses.batch_hard_triplet_loss(z + 1000, np.arange(8) % 2, weights=mask)
    expected = losses.batch_hard_triplet_loss(z[1:], np.arange(1, 8) % 2)
    np.testing.assert_allclose(found, expected, atol=1e-3)
