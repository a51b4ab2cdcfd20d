"""A step with gradients of a scaled loss."""

from __future__ import annotations

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pax._core import ArgumentError, Module
from pax.optim.gradients import apply_gradients, check_modules

M = TypeVar("M", bound=Module)
T = TypeVar("T", bound=Module)
S = TypeVar("S")


def apply_scaled_gradients(model: M, optimizer: T, loss_scale: S, grads: M) -> tuple[M, T, S]:
    """Takes one step with the gradients of a loss that was multiplied by a scale.

    The gradients are divided by the scale first. If the scale is a dynamic one and a gradient is
    not finite, model and optimizer stay as they are and the scale is lowered.

    Args:
        model: the model.
        optimizer: as for `pax.optim.apply_gradients`.
        loss_scale: an object with `unscale(tree)` and `adjust(grads_finite)`, where `adjust`
            returns the next scale, or the object itself if it never changes.
        grads: the gradients of the scaled loss.
    Returns:
        `(model, optimizer, loss_scale)`, all new.
    Raises:
        ArgumentError: if `loss_scale` lacks a method, or another argument is no module.
        StructureError: if the gradients do not have the structure of the model's parameters.
    Example:
        >>> import optax
        >>> net, scale = pax.Linear(2, 3), pax.precision.DynamicLossScale(1024.0)
        >>> optimizer = pax.optim.Optimizer(optax.sgd(0.5), net)
        >>> too_large = net.parameters().map(lambda x: x * jnp.inf)
        >>> new_net, optimizer, scale = pax.experimental.apply_scaled_gradients(
        ...     net, optimizer, scale, too_large)
        >>> bool((new_net.weight == net.weight).all()), float(scale.loss_scale)
        (True, 512.0)
    """
    check_modules("apply_scaled_gradients", model=model, optimizer=optimizer, grads=grads)
    if not (hasattr(loss_scale, "unscale") and hasattr(loss_scale, "adjust")):
        raise ArgumentError(
            f"apply_scaled_gradients got {type(loss_scale).__name__} as `loss_scale`; expected an "
            "object with the methods `unscale` and `adjust`.",
            "pass a loss scale; without one, use pax.optim.apply_gradients.",
        )
    scale: Any = loss_scale
    grads = scale.unscale(grads.parameters())
    is_finite = _all_finite(grads)
    new_scale = scale.adjust(is_finite)
    new = apply_gradients(model, optimizer, grads)
    if new_scale is not scale:

        def chosen(x: Any, old: Any) -> Any:
            return x if x is old else jnp.where(is_finite, x, old)

        new = jax.tree_util.tree_map(chosen, new, (model, optimizer))
    return new[0], new[1], new_scale


def _all_finite(tree: Any) -> Array:
    found = [jnp.all(jnp.isfinite(x)) for x in jax.tree_util.tree_leaves(tree)]
    return jnp.all(jnp.stack([jnp.array(True), *found]))
