"""What cannot be right is refused with the remedy; compiled, it is NaN."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pax
from pax import metrics

LOGITS, LABELS = jnp.zeros((2, 3)), jnp.array([0, 2])

CASES: dict[str, tuple[Callable[[], object], str]] = {
    "label": (
        lambda: metrics.Accuracy().update(LOGITS, jnp.array([0, 3])),
        "Accuracy got 3 among the labels; expected classes, 0 ... 2.\n"
        "  fix: give what does not count weight 0: weights=labels != 3.",
    ),
    "negative label": (
        lambda: metrics.Accuracy().update(jnp.array([0, 1]), jnp.array([0, -100])),
        "Accuracy got -100 among the labels; expected classes, 0 or more.\n"
        "  fix: give what does not count weight 0: weights=labels != -100.",
    ),
    "prediction": (
        lambda: metrics.F1Score(2).update(jnp.array([[0, 2]]), jnp.array([[0, 1]])),
        "F1Score got 2 among the predictions; expected classes, 0 ... 1.\n"
        "  fix: give what does not count weight 0: weights=predictions != 2.",
    ),
    "label of tokens": (
        lambda: metrics.Perplexity().update(LOGITS, jnp.array([-1, 0])),
        "Perplexity got -1 among the labels; expected classes, 0 ... 2.\n"
        "  fix: give what does not count weight 0: weights=labels != -1.",
    ),
    "logits for AUC": (
        lambda: metrics.AUC().update(jnp.array([0.5, 1.5]), jnp.array([0, 1])),
        "AUC got scores outside [0, 1]; expected probabilities.\n"
        "  fix: pass jax.nn.sigmoid(logits), or softmax(logits)[..., 1] of two classes.",
    ),
    "three classes for AUC": (
        lambda: metrics.AUC().update(jnp.array([0.5, 0.5]), LABELS),
        "AUC got 2 among the labels; expected classes, 0 ... 1.\n"
        "  fix: give what does not count weight 0: weights=labels != 2.",
    ),
    "shapes": (
        lambda: metrics.Accuracy().update(LOGITS, LABELS[:1]),
        "Accuracy got labels of shape (1,) for predictions of shape (2,).\n"
        "  fix: give one label for each prediction; logits have the classes as their last axis.",
    ),
    "floating labels": (
        lambda: metrics.Recall(3).update(LOGITS, jnp.array([0.0, 1.0])),
        "Recall got labels of dtype float32; expected integers.\n"
        "  fix: pass the number of the class, 0 ... K - 1, for each example.",
    ),
    "integer logits": (
        lambda: metrics.TopKAccuracy(2).update(LABELS, LABELS),
        "TopKAccuracy got logits of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. logits.astype(jnp.float32).",
    ),
    "one class": (
        lambda: metrics.Accuracy().update(jnp.zeros((2, 1)), LABELS),
        "Accuracy got logits of shape (2, 1); expected (..., K), two classes or more.\n"
        "  fix: put the classes on the last axis; a logit z of one class against none is [0, z].",
    ),
    "another number of classes": (
        lambda: metrics.ConfusionMatrix(4).update(LOGITS, LABELS),
        "ConfusionMatrix got logits of shape (2, 3); expected (..., 4).\n"
        "  fix: the metric was made for 4 classes; they are the last axis.",
    ),
    "too few classes": (
        lambda: metrics.TopKAccuracy(5).update(LOGITS, LABELS),
        "TopKAccuracy(k=5) got logits of shape (2, 3); expected (..., 5) or more classes.\n"
        "  fix: write TopKAccuracy(3) or less.",
    ),
    "weights": (
        lambda: metrics.Mean().update(jnp.zeros((2, 3)), weights=jnp.ones(3)),
        "Mean got weights of shape (3,) for examples of shape (2, 3).\n"
        "  fix: give one weight for each example, or for each index of the first axes.",
    ),
    "targets": (
        lambda: metrics.MeanSquaredError().update(jnp.zeros((2, 1)), jnp.zeros(2)),
        "MeanSquaredError got predictions of shape (2, 1) and targets of shape (2,); expected "
        "one shape.\n"
        "  fix: reshape one of them: an axis of size 1 too many would compare all with all.",
    ),
    "integer values": (
        lambda: metrics.Mean().update(LABELS),
        "Mean got values of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. values.astype(jnp.float32).",
    ),
    "text": (
        lambda: metrics.R2Score().update("x", jnp.zeros(2)),
        "R2Score got predictions of type str; expected an array.\n"
        "  fix: pass an array, e.g. jnp.asarray(predictions).",
    ),
    "no stack": (
        lambda: metrics.ConfusionMatrix(3).merge_all(),
        "ConfusionMatrix(num_classes=3): merge_all of a single metric; expected a stack of them.\n"
        "  fix: merge two metrics with a.merge(b); jax.vmap(metric.update) makes a stack.",
    ),
    "no mapped axis": (
        lambda: metrics.Mean().all_reduce("data"),
        "Mean: all_reduce was called where no axis named 'data' is mapped.\n"
        "  fix: call it in jax.shard_map over that axis; under jit alone leave it out, for there "
        "arrays are whole.",
    ),
    "k": (
        lambda: metrics.TopKAccuracy(0),
        "TopKAccuracy got k=0; expected an integer of at least 1.\n"
        "  fix: set k to a positive integer.",
    ),
    "average": (
        lambda: metrics.Precision(3, "weighted"),
        "Precision got average='weighted'; expected one of 'macro', 'micro', 'binary', 'none'.\n"
        "  fix: write average='macro'.",
    ),
    "binary": (
        lambda: metrics.F1Score(3, "binary"),
        "F1Score got average='binary' for 3 classes; expected 2.\n"
        "  fix: write average='macro', or 'none' for each class by itself.",
    ),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", CASES)
def test_arguments(name: str) -> None:
    call, text = CASES[name]
    with pytest.raises(pax.PaxError) as error:
        call()
    assert str(error.value) == text


@pytest.mark.parametrize(
    "metric",
    [
        metrics.Accuracy(),
        *(
            pytest.param(metric, marks=pytest.mark.slow)
            for metric in (metrics.TopKAccuracy(1), metrics.F1Score(3), metrics.Perplexity())
        ),
    ],
)
def test_compiled_a_label_that_is_none_gives_nan_for_good(metric: metrics.Metric) -> None:
    update = jax.jit(lambda m, x, y, w: m.update(x, y, weights=w))
    wrong, all_count = jnp.array([0, 3]), jnp.array([True, True])
    found = update(metric, LOGITS, wrong, all_count)
    assert jnp.isnan(found.compute())
    assert jnp.isnan(metric.update(LOGITS, LABELS).merge(found).compute())
    assert not jnp.isnan(update(metric, LOGITS, wrong, wrong != 3).compute())
    assert not jnp.isnan(metric.update(LOGITS, wrong, weights=wrong != 3).compute())


def test_compiled_a_score_outside_gives_nan() -> None:
    update = jax.jit(lambda x, w: metrics.AUC(4).update(x, jnp.array([0, 1, 1]), weights=w))
    for wrong in (-0.1, 1.5, np.nan):
        scores = jnp.array([0.2, 0.7, wrong])
        assert jnp.isnan(update(scores, jnp.array([1.0, 1.0, 1.0])).compute())
        assert update(scores, jnp.array([1.0, 1.0, 0.0])).compute() == 1
