"""What cannot be right is refused with the remedy."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest

import pax
from pax import losses

LOGITS, LABELS, ROWS = jnp.zeros((2, 3)), jnp.array([0, 1]), jnp.zeros((2, 4))
SPEECH, WORDS, LENGTHS = jnp.zeros((2, 5, 3)), jnp.array([[1, 2], [2, 1]]), jnp.array([2, 2])

CASES: dict[str, tuple[Callable[[], object], str]] = {
    "text": (
        lambda: losses.cross_entropy("logits", LABELS),
        "cross_entropy got logits of type str; expected an array.\n"
        "  fix: pass an array, e.g. jnp.asarray(logits).",
    ),
    "integer logits": (
        lambda: losses.cross_entropy(LABELS, LABELS),
        "cross_entropy got logits of dtype int32; expected a floating dtype.\n"
        "  fix: convert it first, e.g. logits.astype(jnp.float32).",
    ),
    "no classes": (
        lambda: losses.cross_entropy(jnp.array(1.0), jnp.array(0)),
        "cross_entropy got logits of shape (); expected [..., K], K classes.\n"
        "  fix: put the classes on the last axis.",
    ),
    "one class": (
        lambda: losses.dice_loss(jnp.zeros((2, 5, 1)), jnp.zeros((2, 5), int)),
        "dice_loss got logits of shape (2, 5, 1); expected two classes or more on the last axis.\n"
        "  fix: a logit z of one class against none is [0, z]: "
        "jnp.concatenate([jnp.zeros_like(z), z], axis=-1).",
    ),
    "no examples": (
        lambda: losses.dice_loss(jnp.zeros(3), jnp.array(0)),
        "dice_loss got logits of shape (3,); expected [B, ..., K], K classes.\n"
        "  fix: put the classes on the last axis.",
    ),
    "classes on another axis": (
        lambda: losses.cross_entropy(jnp.zeros((2, 3, 7)), jnp.zeros((2, 7), int)),
        "cross_entropy got labels of shape (2, 7) for logits of shape (2, 3, 7); expected (2, 3).\n"
        "  fix: give one label for each example, and the classes as the last axis of the logits.",
    ),
    "one-hot integers": (
        lambda: losses.cross_entropy(LOGITS, jnp.eye(3, dtype=int)[:2]),
        "cross_entropy got labels of shape (2, 3) for logits of shape (2, 3); expected (2,).\n"
        "  fix: give one label for each example, and the classes as the last axis of the logits.",
    ),
    "floating labels": (
        lambda: losses.cross_entropy(LOGITS, jnp.array([0.0, 1.0])),
        "cross_entropy got floating labels of shape (2,) for logits of shape (2, 3); "
        "expected one shape.\n"
        "  fix: probabilities have the shape of the logits; the numbers of the classes are "
        "integers.",
    ),
    "probabilities for focal": (
        lambda: losses.focal_loss(LOGITS, LOGITS),
        "focal_loss got labels of dtype float32; expected integers.\n"
        "  fix: pass the number of the class, 0 ... K - 1, for each example.",
    ),
    "smoothing": (
        lambda: losses.cross_entropy(LOGITS, LABELS, label_smoothing=1.0),
        "cross_entropy got label_smoothing=1.0; expected a number in [0, 1).\n"
        "  fix: write label_smoothing=0.1.",
    ),
    "class weights": (
        lambda: losses.cross_entropy(LOGITS, LABELS, class_weights=jnp.ones(2)),
        "cross_entropy got class_weights of shape (2,); expected (3,).\n"
        "  fix: give one weight for each class.",
    ),
    "ignored probabilities": (
        lambda: losses.cross_entropy(LOGITS, LOGITS, ignore_index=0),
        "cross_entropy got ignore_index=0 for floating labels; expected integers.\n"
        "  fix: give the examples to leave out weight 0: weights=mask.",
    ),
    "ignored fraction": (
        lambda: losses.cross_entropy(LOGITS, LABELS, ignore_index=0.5),  # type: ignore[arg-type]
        "cross_entropy got ignore_index=0.5; expected an integer.\n  fix: write ignore_index=1.",
    ),
    "gamma": (
        lambda: losses.focal_loss(LOGITS, LABELS, gamma=-1.0),
        "focal_loss got gamma=-1; expected a number of at least 0.\n  fix: write gamma=2.0.",
    ),
    "smooth": (
        lambda: losses.dice_loss(LOGITS, LABELS, smooth=-0.5),
        "dice_loss got smooth=-0.5; expected a number of at least 0.\n  fix: write smooth=1.0.",
    ),
    "pairs": (
        lambda: losses.info_nce(ROWS, ROWS[:1]),
        "info_nce got arrays of shapes (2, 4) and (1, 4); expected two of one shape [B, D].\n"
        "  fix: give row i of the second array the partner of row i of the first.",
    ),
    "temperature": (
        lambda: losses.nt_xent(ROWS, ROWS, temperature=0.0),
        "nt_xent got temperature=0.0; expected a positive number.\n"
        "  fix: set temperature to a positive number.",
    ),
    "temperatures": (
        lambda: losses.nt_xent(ROWS, ROWS, temperature=jnp.ones(2)),
        "nt_xent got temperature of shape (2,); expected a number.\n"
        "  fix: give one temperature for all pairs.",
    ),
    "embeddings": (
        lambda: losses.batch_hard_triplet_loss(jnp.zeros((2, 3, 4)), jnp.zeros((2, 3), int)),
        "batch_hard_triplet_loss got embeddings of shape (2, 3, 4); expected [B, D].\n"
        "  fix: give one row for each example.",
    ),
    "margin": (
        lambda: losses.batch_hard_triplet_loss(ROWS, LABELS, margin=0.0),
        "batch_hard_triplet_loss got margin=0.0; expected a positive number.\n"
        "  fix: set margin to a positive number.",
    ),
    "speech": (
        lambda: losses.ctc_loss(LOGITS, WORDS, LENGTHS, LENGTHS),
        "ctc_loss got logits of shape (2, 3); expected [B, T, K].\n"
        "  fix: put the batch first, then the time; jnp.swapaxes(logits, 0, 1) does for [T, B, K].",
    ),
    "blank": (
        lambda: losses.ctc_loss(SPEECH, WORDS, LENGTHS, LENGTHS, blank_id=3),
        "ctc_loss got blank_id=3 for 3 classes.\n"
        "  fix: write blank_id=2 for the last class; it counts among the classes.",
    ),
    "paddings": (
        lambda: losses.ctc_loss(SPEECH, WORDS, jnp.zeros((2, 5)), LENGTHS),
        "ctc_loss got logit_lengths of dtype float32; expected integers.\n"
        "  fix: lengths count places, and labels are numbers of classes; padding is not needed.",
    ),
    "time first": (
        lambda: losses.ctc_loss(jnp.zeros((5, 2, 3)), WORDS, LENGTHS, LENGTHS),
        "ctc_loss got labels of shape (2, 2) for logits of 5 sequences; expected (5, S).\n"
        "  fix: give one row of labels, and one of each length, for each sequence.",
    ),
    "one length": (
        lambda: losses.ctc_loss(SPEECH, WORDS, jnp.array([5]), LENGTHS),
        "ctc_loss got logit_lengths of shape (1,) for logits of 2 sequences; expected (2,).\n"
        "  fix: give one row of labels, and one of each length, for each sequence.",
    ),
}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", CASES)
def test_arguments(name: str) -> None:
    call, text = CASES[name]
    with pytest.raises(pax.PaxError) as error:
        call()
    assert str(error.value) == text


def test_errors_are_the_same_under_a_trace() -> None:
    with pytest.raises(pax.ShapeError, match=r"labels of shape \(1,\)"):
        jax.eval_shape(lambda x: losses.cross_entropy(x, LABELS[:1]), LOGITS)
