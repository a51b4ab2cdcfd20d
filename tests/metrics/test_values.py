"""Metrics are what their definition says, whole, weighted, and at the edges."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax import metrics
from tests.metrics.samples import SAMPLES, over_samples, over_some
from tests.optimization import optimization

N = 37


def test_every_metric_is_here() -> None:
    public = {name for name in vars(metrics) if isinstance(getattr(metrics, name), type)}
    assert {name.split(",")[0] for name in SAMPLES} == public - {"Metric"}


@over_samples
def test_definition(name: str) -> None:
    sample = SAMPLES[name]
    arrays = sample.draw(np.random.default_rng(0), N)
    metric = sample.make().update(*arrays)
    np.testing.assert_allclose(metric.compute(), sample.reference(*arrays, np.ones(N)), rtol=1e-5)
    assert metric.compute().dtype == jnp.float32


@over_some
def test_definition_with_weights(name: str) -> None:
    sample, rng = SAMPLES[name], np.random.default_rng(1)
    arrays, weights = sample.draw(rng, N), rng.random(N).astype(np.float32)
    weights[:5] = 0
    found = sample.make().update(*arrays, weights=weights).compute()
    np.testing.assert_allclose(found, sample.reference(*arrays, weights.astype(float)), rtol=1e-5)


@over_some
def test_nothing_gives_nan(name: str) -> None:
    sample = SAMPLES[name]
    empty = sample.make()
    none = sample.make().update(*sample.draw(np.random.default_rng(0), 0))
    arrays = sample.draw(np.random.default_rng(0), 3)
    masked = sample.make().update(*arrays, weights=np.zeros(3, bool))
    for metric in (empty, none, masked):
        found = metric.compute()
        assert (found == 0).all() if name == "ConfusionMatrix" else np.isnan(found).all()


@pytest.mark.slow
def test_binary_averages_are_those_of_class_1() -> None:
    predictions, labels = jnp.array([1, 1, 0, 1, 0]), jnp.array([True, False, True, True, False])
    for kind in (metrics.Precision, metrics.Recall, metrics.F1Score):
        binary = kind(2, "binary").update(predictions, labels).compute()
        np.testing.assert_allclose(binary, 2 / 3, rtol=1e-6)
        assert binary == kind(2, "none").update(predictions, labels).compute()[1]
    never = metrics.F1Score(2, "binary").update(jnp.zeros(3, int), jnp.zeros(3, int))
    assert never.compute() == 0


@pytest.mark.slow
def test_weights_of_the_first_axes() -> None:
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(rng.standard_normal((3, 5, 2)), jnp.float32) for _ in range(2))
    mask = jnp.array([True, False, True])
    found = metrics.MeanSquaredError().update(x, y, weights=mask).compute()
    np.testing.assert_allclose(found, jnp.mean(jnp.square(x - y)[mask]), rtol=1e-6)


def test_classes_and_logits_count_alike() -> None:
    logits, labels = SAMPLES["Accuracy"].draw(np.random.default_rng(0), N)
    for make in (metrics.Accuracy, lambda: metrics.ConfusionMatrix(4), lambda: metrics.Recall(4)):
        one, other = (make().update(x, labels).compute() for x in (logits, logits.argmax(-1)))
        np.testing.assert_array_equal(one, other)


def test_of_equal_scores_the_first_comes_first() -> None:
    logits, labels = jnp.zeros((4, 4)), jnp.arange(4)
    for k in (1, 2, 3, 4):
        assert metrics.TopKAccuracy(k).update(logits, labels).compute() == k / 4
    assert metrics.Accuracy().update(logits, labels).compute() == 1 / 4
    ruled_out = jnp.array([[-jnp.inf, -jnp.inf, 1.0], [-jnp.inf, -jnp.inf, 1.0]])
    found = metrics.TopKAccuracy(2).update(ruled_out, jnp.array([0, 1])).compute()
    assert found == 1 / 2


def test_scores_with_nan_are_never_right() -> None:
    logits, labels = jnp.array([[jnp.nan, 1.0, 0.0], [0.0, jnp.nan, 1.0]]), jnp.array([0, 2])
    assert metrics.Accuracy().update(logits, labels).compute() == 0
    assert metrics.TopKAccuracy(3).update(logits, labels).compute() == 0
    for metric in (metrics.ConfusionMatrix(3), metrics.F1Score(3)):
        assert np.isnan(metric.update(logits, labels).compute()).all()
        mask = jnp.array([False, False])
        assert not np.isinf(metric.update(logits, labels, weights=mask).compute()).any()


@pytest.mark.slow
def test_auc_is_off_by_no_more_than_the_pairs_that_meet_in_a_bin() -> None:
    rng = np.random.default_rng(0)
    scores = rng.beta(2, 5, 4000).astype(np.float32)
    labels = rng.random(4000) < scores
    exact = SAMPLES["AUC"].reference(scores, labels, np.ones(4000))
    for num_bins in (4, 32, 1024):
        found = metrics.AUC(num_bins).update(scores, labels).compute()
        bins = (scores * num_bins).astype(int)
        together = (bins[labels][:, None] == bins[~labels]).mean()
        assert abs(found - exact) <= together / 2
    assert abs(found - exact) < 1e-4
    assert metrics.AUC().update(jnp.array([0.0, 1.0]), jnp.array([0, 1])).compute() == 1


def test_r2_of_targets_far_from_zero() -> None:
    rng = np.random.default_rng(0)
    y = (1e5 + rng.standard_normal(1000)).astype(np.float32)
    x = (y + 0.3 * rng.standard_normal(1000)).astype(np.float32)
    with optimization(True):
        metric = metrics.R2Score()
        for i in range(10):
            metric = metric.update(x[i::10], y[i::10])
    np.testing.assert_allclose(
        metric.compute(), SAMPLES["R2Score"].reference(x, y, np.ones(1000)), rtol=1e-6
    )
    assert metrics.R2Score().update(y, y).compute() == 1
    assert np.isnan(metrics.R2Score().update(jnp.ones(3), jnp.ones(3)).compute())


def test_double_precision_is_kept() -> None:
    with jax.enable_x64(True):
        x = 1 + np.random.default_rng(0).standard_normal(1000) * 1e-9
        metric = metrics.Mean().update(x[:300]).update(x[300:])
        found = metric.compute()
        assert {leaf.dtype for leaf in jax.tree.leaves(metric)} == {jnp.dtype(jnp.float32)}
        np.testing.assert_allclose(found, x.mean(), rtol=1e-13)


@pytest.mark.slow
def test_small_integers_and_truth_values_are_labels() -> None:
    logits = jnp.eye(3)
    for dtype in (np.uint8, np.int16, np.int64):
        assert metrics.Accuracy().update(logits, np.arange(3).astype(dtype)).compute() == 1


@over_some
def test_half_precision_counts_in_float32(name: str) -> None:
    sample = SAMPLES[name]
    arrays = [jnp.asarray(x) for x in sample.draw(np.random.default_rng(0), N)]
    half = [x.astype(jnp.bfloat16) if x.dtype == jnp.float32 else x for x in arrays]
    wide = [x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x for x in half]
    found = sample.make().update(*half)
    assert {x.dtype for x in jax.tree.leaves(found)} == {jnp.dtype(jnp.float32)}
    np.testing.assert_array_equal(found.compute(), sample.make().update(*wide).compute())


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_weights_in_half_precision_are_summed_in_float32(dtype: jnp.dtype) -> None:
    n = 3000  # a sum of ones ends at 256 in bfloat16, at 2048 in float16
    classes = jnp.arange(n) % 2
    found = metrics.ConfusionMatrix(2).update(classes, classes, weights=jnp.ones(n, dtype))
    np.testing.assert_array_equal(found.compute(), np.diag([n / 2, n / 2]))
    mean = metrics.Mean().update(jnp.full(n, 2.0), weights=jnp.ones(n, dtype))
    assert mean.compute() == 2.0
    assert mean.weight.high == n


def test_repr() -> None:
    assert repr(metrics.AUC(16)) == "AUC(num_bins=16)"
    assert repr(metrics.Mean()) == "Mean"
    assert repr(metrics.F1Score(3)) == "F1Score(num_classes=3, average=macro)"
    assert isinstance(metrics.Mean(), pax.StateModule)
