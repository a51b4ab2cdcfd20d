"""The norm of the gradients, for those who want to read it."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class GradientNormState(NamedTuple):
    """What `record_gradient_norm` keeps.

    Args:
        gradient_norm: of the last gradients; 0 before the first.
    Example:
        >>> pax.optim.record_gradient_norm().init(None).gradient_norm.item()
        0.0
    """

    gradient_norm: Float[Array, ""]


def record_gradient_norm() -> Any:
    """Returns an optax transformation that keeps the norm of the gradients and changes nothing.

    It stands in a chain before what shall not count, and `pax.optim.Optimizer` and others read
    it. The norm is sqrt(sum |g|^2) over all gradients, in float32. It is not there by default,
    for it keeps every gradient in memory until it is known.

    Returns:
        An `optax.GradientTransformation`.
    Example:
        >>> import optax
        >>> net = pax.Linear(2, 3)
        >>> adam = optax.chain(pax.optim.record_gradient_norm(), optax.adam(1e-3))
        >>> optimizer = pax.optim.Optimizer(adam, net)
        >>> grads = pax.grad(lambda net, x: net(x).sum())(net, jnp.ones((4, 2)))
        >>> net, optimizer = pax.optim.apply_gradients(net, optimizer, grads)
        >>> print(f"{optimizer.gradient_norm:.2f}")
        12.00
    """
    import optax

    def init(params: Any) -> GradientNormState:
        return GradientNormState(jnp.zeros((), jnp.float32))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, GradientNormState]:
        return updates, GradientNormState(_global_norm(updates))

    return optax.GradientTransformation(init, update)


def _global_norm(grads: Any) -> Array:
    """Returns the root of the sum of all squares, for reading: no gradient goes through it."""
    leaves = jax.tree_util.tree_leaves(jax.lax.stop_gradient(grads))
    squares = [jnp.sum(jnp.square(jnp.abs(x).astype(jnp.float32))) for x in leaves]
    return jnp.sqrt(sum(squares, start=jnp.float32(0)))
