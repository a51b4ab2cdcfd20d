"""Exponential moving averages."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from pax._core import ArgumentError, StateModule, StructureError
from pax.nn import expect


class EMA(StateModule):
    """An exponential moving average of a tree of arrays.

    averages <- decay_rate * averages + (1 - decay_rate) * xs.

    Args:
        initial_value: any pytree of arrays or numbers; the first averages.
        decay_rate: weight of the past, in [0, 1].
        debias: whether the first update takes its value as the average, so that the initial
            value does not count.
        allow_int: whether integer leaves are allowed; they are not averaged but take the
            newest value.
    Raises:
        ArgumentError: if decay_rate is not in [0, 1], or a leaf is an integer and allow_int is
            not set.
    Example:
        >>> ema, average = pax.purecall(pax.EMA(jnp.array(1.0), 0.9), jnp.array(2.0))
        >>> print(average)
        1.1
    """

    averages: Any
    #: 1.0 while the next update replaces the averages, 0.0 after it; None without `debias`.
    debias: Array | None

    def __init__(
        self, initial_value: Any, decay_rate: float, debias: bool = False, allow_int: bool = False
    ) -> None:
        super().__init__()
        expect.rate("EMA", "decay_rate", decay_rate, may_be_one=True)
        self.averages = jax.tree_util.tree_map(jnp.asarray, initial_value)
        self.decay_rate = decay_rate
        self.allow_int = allow_int
        self.debias = jnp.ones(()) if debias else None
        if not allow_int:
            for path, x in jax.tree_util.tree_leaves_with_path(self.averages):
                _check_floating(path, x)

    def __call__(self, xs: Any) -> Any:
        """Updates the averages; in evaluation mode they stay as they are.

        Args:
            xs: a tree of the structure and shapes of the averages.
        Returns:
            The averages.
        Raises:
            StructureError: if xs has another structure or other shapes.
            PurityError: in training mode outside `pax.pure`.
        """
        if not self.training:
            return self.averages
        self._check(xs)
        is_first = None
        if self.debias is not None:
            is_first = self.debias > 0
            self.debias = jnp.zeros_like(self.debias)

        def update(average: Array, x: Any) -> Array:
            x = jnp.asarray(x, average.dtype)
            if not jnp.issubdtype(average.dtype, jnp.inexact):
                return x
            blended = self.decay_rate * average + (1.0 - self.decay_rate) * x
            return blended if is_first is None else jnp.where(is_first, x, blended)

        self.averages = jax.tree_util.tree_map(update, self.averages, xs)
        return self.averages

    def _check(self, xs: Any) -> None:
        old, treedef = jax.tree_util.tree_flatten(self.averages)
        new, other = jax.tree_util.tree_flatten(xs)
        if treedef != other or list(map(jnp.shape, old)) != list(map(jnp.shape, new)):
            raise StructureError(
                f"EMA got values of shapes {jax.tree_util.tree_map(jnp.shape, xs)}; its averages "
                f"have shapes {jax.tree_util.tree_map(jnp.shape, self.averages)}.",
                "give it the same tree at each call as at construction.",
            )

    def __repr__(self) -> str:
        return self._repr({"decay_rate": self.decay_rate, "debias": self.debias is not None})


def _check_floating(path: tuple[Any, ...], x: Array) -> None:
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        raise ArgumentError(
            f"EMA got a leaf of dtype {x.dtype} at initial_value{jax.tree_util.keystr(path)}; "
            "expected floating numbers.",
            "pass allow_int=True to keep the newest integers, or convert them to floats.",
        )
