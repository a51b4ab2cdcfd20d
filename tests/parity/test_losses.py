"""Parity of the losses: with torch where it has them, else with sums written out in NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

import pax
from tests.parity.compare import assert_close, normal
from tests.parity.functions import assert_like_torch

B, T, K = 5, 3, 4
GENERATOR = np.random.default_rng(3)
LABELS = GENERATOR.integers(K, size=(B, T))
VOID = np.where(GENERATOR.random((B, T)) < 0.3, -100, LABELS)
SOFT = GENERATOR.dirichlet(np.ones(K), (B, T))
BY_CLASS = GENERATOR.random(K) + 0.1
REDUCTIONS = ("mean", "sum", "none")
#: Cross entropies that the quick suite compares: reduction, smoothing, labels, weighted.
QUICK = [
    ("none", 0.0, "whole", False),
    ("mean", 0.2, "void", True),
]


def in_x64(function: Callable[..., Any]) -> Any:
    """Returns what a function of no arguments gives in float64, as NumPy."""
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, function())


@pytest.mark.parametrize(
    ("reduction", "smoothing", "labels", "weighted"),
    [
        pytest.param(*row, marks=() if row in QUICK else pytest.mark.slow)
        for row in itertools.product(
            REDUCTIONS, [0.0, 0.2], ["whole", "void", "soft"], [False, True]
        )
    ],
)
def test_cross_entropy(reduction: str, smoothing: float, labels: str, weighted: bool) -> None:
    y = {"whole": LABELS, "void": VOID, "soft": SOFT}[labels]

    def ours(logits: Any) -> Any:
        return pax.losses.cross_entropy(
            logits,
            jnp.asarray(y),
            label_smoothing=smoothing,
            class_weights=jnp.asarray(BY_CLASS) if weighted else None,
            ignore_index=-100 if labels == "void" else None,
            reduction=reduction,
        )

    def theirs(logits: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(
            logits.movedim(-1, 1),
            torch.from_numpy(y).movedim(-1, 1) if labels == "soft" else torch.from_numpy(y),
            torch.from_numpy(BY_CLASS) if weighted else None,
            reduction=reduction,
            label_smoothing=smoothing,
        )

    assert_like_torch(ours, theirs, [3 * normal(B, T, K)])


SAID = np.array([[1, 2, 2], [3, 3, 3], [2, 0, 1], [0, 0, 0], [2, 2, 1]])
LOGIT_LENGTHS, LABEL_LENGTHS = np.array([7, 8, 6, 8, 5]), np.array([3, 2, 1, 0, 3])


@pytest.mark.parametrize("reduction", ["none", pytest.param("mean", marks=pytest.mark.slow)])
def test_ctc(reduction: str) -> None:
    blank = 4

    def ours(logits: Any) -> Any:
        lengths = (jnp.asarray(LOGIT_LENGTHS), jnp.asarray(LABEL_LENGTHS))
        said = jnp.asarray(SAID)
        losses = pax.losses.ctc_loss(logits, said, *lengths, blank_id=blank, reduction="none")
        by_length = jnp.maximum(lengths[1], 1).astype(losses.dtype)
        return jnp.mean(losses / by_length) if reduction == "mean" else losses

    def theirs(logits: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.ctc_loss(
            logits.transpose(0, 1).log_softmax(-1),
            torch.from_numpy(SAID),
            torch.from_numpy(LOGIT_LENGTHS),
            torch.from_numpy(LABEL_LENGTHS),
            blank=blank,
            reduction=reduction,
        )

    assert_like_torch(ours, theirs, [2 * normal(5, 8, 5)])


@pytest.mark.parametrize("reduction", ["mean", pytest.param("none", marks=pytest.mark.slow)])
def test_focal(reduction: str) -> None:
    def theirs(logits: torch.Tensor) -> torch.Tensor:
        p = logits.softmax(-1).gather(-1, torch.from_numpy(LABELS)[..., None])[..., 0]
        alpha = torch.from_numpy(BY_CLASS[LABELS])
        losses = -alpha * (1 - p) ** 1.5 * p.log()
        return losses if reduction == "none" else losses.sum() / alpha.sum()

    def ours(logits: Any) -> Any:
        how = {"class_weights": jnp.asarray(BY_CLASS), "reduction": reduction}
        return pax.losses.focal_loss(logits, jnp.asarray(LABELS), gamma=1.5, **how)

    assert_like_torch(ours, theirs, [2 * normal(B, T, K)])


@pytest.mark.slow
def test_focal_of_two_classes_is_that_of_optax() -> None:
    z, labels = normal(7), np.arange(7) % 2

    def found() -> Any:
        logits = jnp.stack([jnp.zeros(7), jnp.asarray(z)], axis=-1)
        ours = pax.losses.focal_loss(logits, jnp.asarray(labels), reduction="none")
        theirs = optax.sigmoid_focal_loss(jnp.asarray(z), jnp.asarray(labels, jnp.float64))
        return ours, theirs

    assert_close(*in_x64(found))


@pytest.mark.parametrize(
    "labels", ["void", *(pytest.param(x, marks=pytest.mark.slow) for x in ("whole", "soft"))]
)
def test_dice(labels: str) -> None:
    y = {"whole": LABELS, "void": VOID, "soft": SOFT}[labels]
    kept = torch.from_numpy((y != -100).astype(float)) if labels == "void" else torch.ones(B, T)

    def theirs(logits: torch.Tensor) -> torch.Tensor:
        one_hot = torch.from_numpy(SOFT if labels == "soft" else np.eye(K)[np.maximum(y, 0)])
        p, q = logits.softmax(-1) * kept[..., None], one_hot * kept[..., None]
        dice = (2 * (p * q).sum(1) + 0.5) / (p.sum(1) + q.sum(1) + 0.5)
        by_class = torch.from_numpy(BY_CLASS / BY_CLASS.sum())
        return 1 - (dice * by_class).sum(-1)

    def ours(logits: Any) -> Any:
        return pax.losses.dice_loss(
            logits,
            jnp.asarray(y),
            smooth=0.5,
            class_weights=jnp.asarray(BY_CLASS),
            ignore_index=-100 if labels == "void" else None,
            reduction="none",
        )

    assert_like_torch(ours, theirs, [2 * normal(B, T, K)])


@pytest.mark.slow
def test_dice_of_places_on_two_axes() -> None:
    logits, labels = normal(2, 3, 4, 5).astype(np.float32), np.arange(24).reshape(2, 3, 4) % 5
    flat = pax.losses.dice_loss(logits.reshape(2, 12, 5), labels.reshape(2, 12))
    np.testing.assert_allclose(pax.losses.dice_loss(logits, labels), flat, rtol=1e-6)


def cosines(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(b).T


def test_info_nce() -> None:
    def theirs(a: torch.Tensor, b: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        scores, own = cosines(a, b) / t, torch.arange(6)
        cross_entropy = torch.nn.functional.cross_entropy
        return (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2

    def ours(a: Any, b: Any, t: Any) -> Any:
        return pax.losses.info_nce(a, b, temperature=t)

    assert_like_torch(ours, theirs, [normal(6, 3), normal(6, 3, seed=1), np.array(0.3)])


def test_nt_xent() -> None:
    def theirs(a: torch.Tensor, b: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        z = torch.cat([a, b])
        scores = (cosines(z, z) / t).masked_fill(torch.eye(12, dtype=torch.bool), -torch.inf)
        return torch.nn.functional.cross_entropy(scores, (torch.arange(12) + 6) % 12)

    def ours(a: Any, b: Any, t: Any) -> Any:
        return pax.losses.nt_xent(a, b, temperature=t)

    assert_like_torch(ours, theirs, [normal(6, 3), normal(6, 3, seed=1), np.array(0.3)])


@pytest.mark.slow
def test_nt_xent_is_that_of_optax() -> None:
    def found() -> Any:
        a, b = jnp.asarray(normal(6, 3)), jnp.asarray(normal(6, 3, seed=1))
        ours = pax.losses.nt_xent(a, b, temperature=0.5)
        with jax.numpy_dtype_promotion("standard"):
            z, groups = jnp.concatenate([a, b]), jnp.arange(12) % 6
            return ours, optax.losses.ntxent(z, groups, temperature=0.5)

    assert_close(*in_x64(found))


def test_batch_hard_triplets() -> None:
    labels = np.array([0, 1, 0, 2, 1, 0, 3])

    def theirs(z: torch.Tensor) -> torch.Tensor:
        losses = []
        for i, label in enumerate(labels):
            far = [torch.linalg.vector_norm(z[i] - z[j]) for j in range(len(labels))]
            friends = [d for j, d in enumerate(far) if labels[j] == label and j != i]
            strangers = [d for j, d in enumerate(far) if labels[j] != label]
            if friends:
                losses.append(torch.relu(max(friends) - min(strangers) + 0.7))
        return torch.stack(losses).mean()

    def ours(z: Any) -> Any:
        return pax.losses.batch_hard_triplet_loss(z, jnp.asarray(labels), margin=0.7)

    assert_like_torch(ours, theirs, [normal(7, 3)])


@pytest.mark.slow
def test_batch_hard_triplets_are_the_hardest_of_all() -> None:
    """Over all triplets of the torch loss, the hardest of each anchor is the one taken."""
    labels = np.array([0, 1, 0, 1, 1, 0])
    z = normal(6, 2)

    def found() -> Any:
        x = jnp.asarray(z)
        return pax.losses.batch_hard_triplet_loss(x, jnp.asarray(labels), reduction="none")

    hardest = np.zeros(6)
    for i, p, n in itertools.product(range(6), repeat=3):
        if i != p and labels[i] == labels[p] != labels[n]:
            loss = torch.nn.functional.triplet_margin_loss(
                *(torch.from_numpy(z[j : j + 1]) for j in (i, p, n)), eps=0.0
            )
            hardest[i] = max(hardest[i], loss.item())
    assert_close(in_x64(found), hardest)
