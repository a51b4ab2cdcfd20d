"""Every metric with random examples for it, and the same in float64 NumPy, by its definition."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pax
from pax import metrics

K = 4
Arrays = tuple[np.ndarray, ...]


@dataclasses.dataclass(frozen=True)
class Sample:
    """A metric, examples for `update`, and what comes of them with these weights."""

    make: Callable[[], pax.metrics.Metric]
    draw: Callable[[np.random.Generator, int], Arrays]
    reference: Callable[..., Any]


def logits_and_labels(rng: np.random.Generator, n: int) -> Arrays:
    """Logits that lean to the label, which is never class 2."""
    labels = np.array([0, 1, 3])[rng.integers(3, size=n)]
    logits = rng.standard_normal((n, K)) + np.eye(K)[labels]
    return logits.astype(np.float32), labels.astype(np.int32)


def probabilities(rng: np.random.Generator, n: int) -> Arrays:
    """Scores that are multiples of 1 / 16, so that there are ties, and labels that follow them."""
    scores = rng.integers(16, size=n) / 16
    return scores.astype(np.float32), rng.random(n) < scores


def numbers(rng: np.random.Generator, n: int) -> Arrays:
    """Predictions and targets far from 0."""
    targets = (100 + rng.standard_normal(n)).astype(np.float32)
    return (targets + 0.3 * rng.standard_normal(n)).astype(np.float32), targets


def mean(x: np.ndarray, w: np.ndarray) -> float:
    return float((x.astype(np.float64) * w).sum() / w.sum())


def log_losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    p = np.exp(logits.astype(np.float64))
    return -np.log((p / p.sum(-1, keepdims=True))[np.arange(len(labels)), labels])


def is_among(logits: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    order = np.argsort(-logits, axis=-1, kind="stable")
    return (order[:, :k] == labels[:, None]).any(axis=-1)


def confusion(logits: np.ndarray, labels: np.ndarray, w: np.ndarray) -> np.ndarray:
    cells = np.zeros((K, K))
    for label, guess, weight in zip(labels, logits.argmax(-1), w, strict=True):
        cells[label, guess] += weight
    return cells


def scores_by_class(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 of each class, NaN for one that never occurs."""
    found = np.diag(cells)
    predicted, labelled = cells.sum(0), cells.sum(1)
    with np.errstate(invalid="ignore"):
        precision, recall = found / predicted, found / labelled
        f1 = 2 * found / (predicted + labelled)
    occurs = predicted + labelled > 0
    return tuple(np.where(occurs, np.nan_to_num(x), np.nan) for x in (precision, recall, f1))


def by_class(which: int, average: str) -> Callable[..., Any]:
    def reference(logits: np.ndarray, labels: np.ndarray, w: np.ndarray) -> Any:
        cells = confusion(logits, labels, w)
        if average == "micro":
            return np.diag(cells).sum() / cells.sum()
        scores = scores_by_class(cells)[which]
        return np.nanmean(scores) if average == "macro" else scores

    return reference


def area(scores: np.ndarray, labels: np.ndarray, w: np.ndarray) -> float:
    """Over all pairs of a positive and a negative: how often the first is above."""
    x, y = scores[labels], scores[~labels]
    wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    pairs = w[labels][:, None] * w[~labels]
    return (wins * pairs).sum() / pairs.sum()


def r2(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    x, y = x.astype(np.float64), y.astype(np.float64)
    return 1 - (w * (y - x) ** 2).sum() / (w * (y - mean(y, w)) ** 2).sum()


CLASSIFIED = logits_and_labels
SAMPLES = {
    "Mean": Sample(metrics.Mean, lambda rng, n: (numbers(rng, n)[0],), mean),
    "MeanSquaredError": Sample(
        metrics.MeanSquaredError,
        numbers,
        lambda x, y, w: mean((x.astype(np.float64) - y) ** 2, w),
    ),
    "MeanAbsoluteError": Sample(
        metrics.MeanAbsoluteError, numbers, lambda x, y, w: mean(np.abs(x.astype(float) - y), w)
    ),
    "R2Score": Sample(metrics.R2Score, numbers, r2),
    "Perplexity": Sample(
        metrics.Perplexity, CLASSIFIED, lambda x, y, w: np.exp(mean(log_losses(x, y), w))
    ),
    "Accuracy": Sample(metrics.Accuracy, CLASSIFIED, lambda x, y, w: mean(x.argmax(-1) == y, w)),
    "TopKAccuracy": Sample(
        lambda: metrics.TopKAccuracy(2), CLASSIFIED, lambda x, y, w: mean(is_among(x, y, 2), w)
    ),
    "ConfusionMatrix": Sample(lambda: metrics.ConfusionMatrix(K), CLASSIFIED, confusion),
    "Precision": Sample(
        lambda: metrics.Precision(K, average="none"), CLASSIFIED, by_class(0, "none")
    ),
    "Recall": Sample(lambda: metrics.Recall(K), CLASSIFIED, by_class(1, "macro")),
    "F1Score": Sample(lambda: metrics.F1Score(K), CLASSIFIED, by_class(2, "macro")),
    "F1Score, micro": Sample(lambda: metrics.F1Score(K, "micro"), CLASSIFIED, by_class(2, "micro")),
    "AUC": Sample(lambda: metrics.AUC(num_bins=32), probabilities, area),
}

#: What the quick suite transforms: all others hold sums that merge as those of the accuracy do.
QUICK = {"Accuracy", "R2Score"}
over_samples = pytest.mark.parametrize("name", SAMPLES)
over_some = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SAMPLES],
)
