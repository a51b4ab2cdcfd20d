"""What the metrics expect of their arguments, and the errors when it is not so."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from pax._core import ArgumentError, DtypeError, ShapeError, as_array, as_wide, is_tracing


def scores_of_classes(metric: str, value: Any) -> Array:
    """Returns scores [..., K], logits or probabilities."""
    scores = as_wide(metric, "logits", value)
    if scores.ndim == 0 or scores.shape[-1] < 2:
        raise ShapeError(
            f"{metric} got logits of shape {scores.shape}; expected (..., K), two classes or more.",
            "put the classes on the last axis; a logit z of one class against none is [0, z].",
        )
    return scores


def predicted_classes(metric: str, value: Any, num_classes: int | None) -> tuple[Array, Array]:
    """Returns the predicted classes [...], and which of them come from numbers that are NaN."""
    predictions = as_array(metric, "predictions", value)
    if not jnp.issubdtype(predictions.dtype, jnp.floating):
        return as_integers(metric, "predictions", predictions), jnp.zeros(predictions.shape, bool)
    scores = scores_of_classes(metric, predictions)
    if num_classes is not None and scores.shape[-1] != num_classes:
        raise ShapeError(
            f"{metric} got logits of shape {scores.shape}; expected (..., {num_classes}).",
            f"the metric was made for {num_classes} classes; they are the last axis.",
        )
    return _largest(scores)


@jax.jit  # one dispatch where called eagerly
def _largest(scores: Array) -> tuple[Array, Array]:
    return jnp.argmax(scores, axis=-1).astype(jnp.int32), jnp.any(jnp.isnan(scores), axis=-1)


def as_integers(metric: str, name: str, value: Any) -> Array:
    """Returns an argument as integers; truth values are 0 and 1."""
    array = as_array(metric, name, value)
    if not (jnp.issubdtype(array.dtype, jnp.integer) or array.dtype == bool):
        raise DtypeError(
            f"{metric} got {name} of dtype {array.dtype}; expected integers.",
            "pass the number of the class, 0 ... K - 1, for each example.",
        )
    return array.astype(jnp.int32)


def labels_for(metric: str, value: Any, shape: tuple[int, ...]) -> Array:
    """Returns labels, integers of this shape."""
    labels = as_integers(metric, "labels", value)
    if labels.shape != shape:
        raise ShapeError(
            f"{metric} got labels of shape {labels.shape} for predictions of shape {shape}.",
            "give one label for each prediction; logits have the classes as their last axis.",
        )
    return labels


def weights_for(metric: str, value: Any, shape: tuple[int, ...]) -> Array | None:
    """Returns the weights of examples of this shape, a mask or floating numbers, or None.

    Weights with fewer axes hold for all that lies on the others: [B] for [B, T].
    """
    if value is None:
        return None
    weights = as_array(metric, "weights", value)
    if weights.shape != shape[: weights.ndim]:
        raise ShapeError(
            f"{metric} got weights of shape {weights.shape} for examples of shape {shape}.",
            "give one weight for each example, or for each index of the first axes.",
        )
    if weights.dtype not in (bool, np.float64):  # sums of halves would stop at 256 or 2048
        weights = weights.astype(jnp.float32)
    return jnp.broadcast_to(
        weights.reshape(weights.shape + (1,) * (len(shape) - weights.ndim)), shape
    )


def are_wrong(
    metric: str, name: str, classes: Array, num_classes: int | None, weights: Array | None
) -> Array:
    """Returns whether a number that counts is no class; where nothing is traced it raises."""
    is_wrong = _no_class(classes, num_classes, weights)
    if is_tracing() or not is_wrong.is_fully_addressable or not is_wrong.item():
        return is_wrong
    numbers = np.asarray(classes)[() if weights is None else np.asarray(counts(weights))].ravel()
    wrong = numbers[(numbers < 0) | (numbers >= (num_classes or np.inf))][0]
    of_classes = "0 or more" if num_classes is None else f"0 ... {num_classes - 1}"
    raise ArgumentError(
        f"{metric} got {wrong} among the {name}; expected classes, {of_classes}.",
        f"give what does not count weight 0: weights={name} != {wrong}.",
    )


@partial(jax.jit, static_argnums=1)  # one dispatch where called eagerly
def _no_class(classes: Array, num_classes: int | None, weights: Array | None) -> Array:
    is_wrong = classes < 0
    if num_classes is not None:
        is_wrong |= classes >= num_classes
    return jnp.any(is_wrong if weights is None else is_wrong & counts(weights))


def counts(weights: Array) -> Array:
    """Returns which examples count."""
    return weights if weights.dtype == bool else weights != 0


def predictions_and_labels(
    metric: Any, predictions: Any, labels: Any, weights: Any
) -> tuple[Array, Array, Array | None, Array]:
    """Returns predicted classes, labels and weights, and whether a number that counts is none.

    The metric has `num_classes` classes.
    """
    name, num_classes = type(metric).__name__, metric.num_classes
    guesses, is_nan = predicted_classes(name, predictions, num_classes)
    y = labels_for(name, labels, guesses.shape)
    w = weights_for(name, weights, y.shape)
    is_wrong = are_wrong(name, "predictions", guesses, num_classes, w)
    is_wrong |= are_wrong(name, "labels", y, num_classes, w)
    return guesses, y, w, is_wrong | jnp.any(is_nan if w is None else is_nan & counts(w))
