"""From the losses of the examples to one number: the same rule in every loss."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array


def reduced(
    losses: Array, weights: Array | None, reduction: str, divisors: Array | None = None
) -> Array:
    """Returns the losses of the examples, w l, their sum, or their mean: sum w l / sum w d.

    An example of weight 0 adds 0, whatever its loss is, and the mean of no examples is 0.

    Args:
        losses: l, one for each example.
        weights: w, the shape of losses; None for 1.
        reduction: "none", "sum" or "mean".
        divisors: d, what an example counts in the mean apart from its weight; None for 1.
    """
    if weights is not None:
        losses = times(weights, losses)
    if reduction == "none":
        return losses
    total = jnp.sum(losses)
    if reduction == "sum":
        return total
    if divisors is not None:
        count = jnp.sum(divisors if weights is None else weights * divisors)
    elif weights is not None:
        count = jnp.sum(weights)
    else:
        count = jnp.asarray(losses.size, losses.dtype)
    is_empty = count == 0
    return jnp.where(is_empty, 0, total) / jnp.where(is_empty, 1, count)


def times(weights: Array, values: Array) -> Array:
    """Returns the products, 0 where the weight is 0, also if the value is not finite."""
    return jnp.where(weights == 0, 0, weights * values)


def without_ignored(inputs: Array, weights: Array | None) -> Array:
    """Returns inputs [..., D] with zeros for the examples of weight 0.

    What such an example holds, NaN perhaps, then reaches neither the loss nor the gradients.
    """
    if weights is None:
        return inputs
    return jnp.where(weights[..., None] == 0, 0, inputs)
