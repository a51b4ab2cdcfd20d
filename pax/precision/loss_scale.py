"""Scales of the loss, so that small gradients do not vanish in float16."""

from __future__ import annotations

from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int32

from pax._core import ArgumentError, StateModule, arguments
from pax.precision.policy import is_floating


class StaticLossScale(StateModule):
    """A scale of the loss that stays as it is.

    Args:
        loss_scale: what the loss is multiplied by; positive.
    Raises:
        ArgumentError: if it is not a positive number.
    Example:
        >>> scale = pax.precision.StaticLossScale(1024.0)
        >>> scale.unscale(scale.scale(jnp.array([0.5, 2.0])))
        Array([0.5, 2. ], dtype=float32)
    """

    loss_scale: Float32[Array, ""]

    def __init__(self, loss_scale: float) -> None:
        super().__init__()
        value = arguments.positive(type(self).__name__, "loss_scale", loss_scale)
        self.loss_scale = jax.device_put(np.float32(value))

    def scale(self, tree: Any) -> Any:
        """Returns the tree, a loss, with its floating arrays multiplied by the scale.

        Args:
            tree: any pytree; dtypes are kept.
        """
        return _map_floating(lambda x: x * self.loss_scale.astype(x.dtype), tree)

    def unscale(self, tree: Any) -> Any:
        """Returns the tree, gradients, with its floating arrays divided by the scale.

        Args:
            tree: any pytree; dtypes are kept.
        """
        return _map_floating(lambda x: x / self.loss_scale.astype(x.dtype), tree)

    def adjust(self, grads_finite: Any) -> Self:
        """Returns the scale for the next step: this one.

        Args:
            grads_finite: whether all gradients of this step were finite.
        """
        del grads_finite
        return self

    def __repr__(self) -> str:
        return self._repr()


class DynamicLossScale(StaticLossScale):
    """A scale of the loss that falls when gradients overflow and rises while they do not.

    After gradients that are not finite it is divided by `factor`, down to `min_loss_scale`; after
    `period` steps in a row with finite ones it is multiplied by it, as long as it stays finite.

    Args:
        loss_scale: where it starts; positive.
        period: number of finite steps before it rises.
        factor: how much it rises and falls; more than 1.
        min_loss_scale: the least that it falls to; positive, at most loss_scale.
    Raises:
        ArgumentError: if a number is out of range; it is named.
    Example:
        >>> scale = pax.precision.DynamicLossScale()
        >>> scale.adjust(grads_finite=jnp.array(False)).loss_scale
        Array(16384., dtype=float32)
    Source: Micikevicius et al., "Mixed precision training", 2018 (arXiv 1710.03740).
    """

    counter: Int32[Array, ""]
    min_loss_scale: float

    def __init__(
        self,
        loss_scale: float = 2.0**15,
        period: int = 2000,
        factor: float = 2.0,
        min_loss_scale: float = 1.0,
    ) -> None:
        super().__init__(loss_scale)
        name = type(self).__name__
        arguments.sizes(name, period=period)
        self.period = int(period)
        self.factor = arguments.positive(name, "factor", factor)
        if not factor > 1:
            raise ArgumentError(
                f"{name} got factor={factor!r}; expected a number above 1.", "write factor=2.0."
            )
        self.min_loss_scale = arguments.positive(name, "min_loss_scale", min_loss_scale)
        if min_loss_scale > loss_scale:
            raise ArgumentError(
                f"{name} got min_loss_scale={min_loss_scale!r}, above loss_scale={loss_scale!r}.",
                "write min_loss_scale=1.0, or start higher.",
            )
        self.counter = jax.device_put(np.zeros((), np.int32))

    def adjust(self, grads_finite: Bool[Array, ""] | bool | np.bool_) -> Self:
        """Returns the scale for the next step.

        Args:
            grads_finite: whether all gradients of this step were finite.
        """
        finite = jnp.asarray(grads_finite)
        rises = finite & (self.counter == self.period - 1)
        higher = self.loss_scale * np.float32(self.factor)
        lower = jnp.maximum(
            self.loss_scale / np.float32(self.factor), np.float32(self.min_loss_scale)
        )
        risen = jnp.where(rises & jnp.isfinite(higher), higher, self.loss_scale)
        counter = jnp.where(rises, np.int32(0), self.counter + np.int32(1))
        return self.replace(
            loss_scale=jnp.where(finite, risen, lower),
            counter=jnp.where(finite, counter, np.int32(0)),
        )

    def __repr__(self) -> str:
        return self._repr({"period": self.period, "factor": self.factor})


def _map_floating(fn: Any, tree: Any) -> Any:
    """Maps over floating arrays in float32 or wider, and returns them in their own dtype."""

    def mapped(x: Any) -> Any:
        if not is_floating(x):
            return x
        wide = x if x.dtype == np.float64 else x.astype(np.float32)
        return fn(wide).astype(x.dtype)

    return jax.tree_util.tree_map(mapped, tree)
