"""What the losses expect of their arguments, and the errors when it is not so."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from pax._core import ArgumentError, DtypeError, ShapeError, arguments, as_array, as_wide

REDUCTIONS = ("mean", "sum", "none")


def logits_of_classes(loss: str, value: Any, min_ndim: int = 1) -> Array:
    """Returns logits [..., K] as floating numbers."""
    logits = as_wide(loss, "logits", value)
    if logits.ndim < min_ndim:
        shape = "[..., K]" if min_ndim == 1 else "[B, ..., K]"
        raise ShapeError(
            f"{loss} got logits of shape {logits.shape}; expected {shape}, K classes.",
            "put the classes on the last axis.",
        )
    if logits.shape[-1] < 2:
        raise ShapeError(
            f"{loss} got logits of shape {logits.shape}; expected two classes or more on the "
            "last axis.",
            "a logit z of one class against none is [0, z]: "
            "jnp.concatenate([jnp.zeros_like(z), z], axis=-1).",
        )
    return logits


def integer_labels(loss: str, value: Any, logits: Array) -> Array:
    """Returns labels, integers [...] for logits [..., K]."""
    labels = as_array(loss, "labels", value)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise DtypeError(
            f"{loss} got labels of dtype {labels.dtype}; expected integers.",
            "pass the number of the class, 0 ... K - 1, for each example.",
        )
    if labels.shape != logits.shape[:-1]:
        raise ShapeError(
            f"{loss} got labels of shape {labels.shape} for logits of shape {logits.shape}; "
            f"expected {logits.shape[:-1]}.",
            "give one label for each example, and the classes as the last axis of the logits.",
        )
    return labels.astype(jnp.int32) if labels.dtype.itemsize < 4 else labels


def class_labels(loss: str, value: Any, logits: Array) -> Array:
    """Returns labels: integers [...] for logits [..., K], or probabilities [..., K]."""
    labels = as_array(loss, "labels", value)
    if not jnp.issubdtype(labels.dtype, jnp.floating):
        return integer_labels(loss, labels, logits)
    if labels.shape != logits.shape:
        raise ShapeError(
            f"{loss} got floating labels of shape {labels.shape} for logits of shape "
            f"{logits.shape}; expected one shape.",
            "probabilities have the shape of the logits; the numbers of the classes are integers.",
        )
    return labels.astype(logits.dtype)


def class_weights_for(loss: str, value: Any, logits: Array) -> Array | None:
    """Returns the weights of the classes in the dtype of the logits [..., K], or None."""
    if value is None:
        return None
    weights = as_array(loss, "class_weights", value)
    if weights.shape != logits.shape[-1:]:
        raise ShapeError(
            f"{loss} got class_weights of shape {weights.shape}; expected {logits.shape[-1:]}.",
            "give one weight for each class.",
        )
    return weights.astype(logits.dtype)


def example_weights(loss: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Array | None:
    """Returns the weights of the examples, numbers or truth values of this shape, or None."""
    if value is None:
        return None
    weights = as_array(loss, "weights", value)
    if weights.shape != shape:
        raise ShapeError(
            f"{loss} got weights of shape {weights.shape}; expected {shape}.",
            "give one weight for each example: jnp.broadcast_to(weights, shape) repeats them.",
        )
    return weights.astype(dtype)


def ignored(loss: str, index: int | None, labels: Array, weights: Array | None) -> Array | None:
    """Returns the weights, 0 where the label is the one to ignore; None if all count alike."""
    if index is None:
        return weights
    arguments.integer(loss, "ignore_index", index)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ArgumentError(
            f"{loss} got ignore_index={index} for floating labels; expected integers.",
            "give the examples to leave out weight 0: weights=mask.",
        )
    kept = labels != index
    return kept.astype(jnp.float32) if weights is None else jnp.where(kept, weights, 0)


def check_reduction(loss: str, reduction: str) -> None:
    """Raises unless the reduction is one of the three."""
    arguments.one_of(loss, "reduction", reduction, REDUCTIONS)
