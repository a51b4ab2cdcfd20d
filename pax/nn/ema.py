"""Exponential moving averages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import pax.initializers as initializers
from pax._core import ArgumentError, DtypeError, StateModule, StructureError, arguments


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
    #: Averages that were saved alone, as those of batch norms are in PAX, have seen their data.
    _absent_state: ClassVar[Mapping[str, float]] = {"debias": 0.0}

    def __init__(
        self, initial_value: Any, decay_rate: float, debias: bool = False, allow_int: bool = False
    ) -> None:
        super().__init__()
        arguments.flags("EMA", debias=debias, allow_int=allow_int)
        self.decay_rate = arguments.rate("EMA", "decay_rate", decay_rate, may_be_one=True)
        self.allow_int = allow_int
        self.averages = jax.tree_util.tree_map_with_path(self._initial, initial_value)
        self.debias = initializers.ones(None, ()) if debias else None

    def __call__(self, xs: Any) -> Any:
        """Updates the averages; in evaluation mode they stay as they are.

        Args:
            xs: a tree of the structure and shapes of the averages.
        Returns:
            The averages.
        Raises:
            StructureError: if xs has another structure or other shapes.
            DtypeError: if xs has floating numbers where the averages are integers.
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
            if not _is_floating(average):
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
        for average, x in zip(old, new, strict=True):
            if _is_floating(x) and not _is_floating(average):
                raise DtypeError(
                    f"EMA got values of dtype {jnp.result_type(x)} where its averages have dtype "
                    f"{average.dtype}; they would be cut to integers.",
                    "start the averages with floating numbers.",
                )

    def _initial(self, path: tuple[Any, ...], x: Any) -> Array:
        where = f"initial_value{jax.tree_util.keystr(path)}"
        if not isinstance(x, (jax.Array, np.ndarray, np.generic, int, float, complex)):
            raise ArgumentError(
                f"EMA got a leaf of type {type(x).__name__} at {where}; expected arrays and "
                "numbers.",
                "pass a tree of arrays, such as module.parameters().",
            )
        x = _strongly_typed(x)
        if not self.allow_int and not _is_floating(x):
            raise ArgumentError(
                f"EMA got a leaf of dtype {x.dtype} at {where}; expected floating numbers.",
                "pass allow_int=True to keep the newest integers, or convert them to floats.",
            )
        return x

    def __repr__(self) -> str:
        return self._repr({"decay_rate": self.decay_rate, "debias": self.debias is not None})


def _strongly_typed(x: Any) -> Array:
    """Returns an array of the dtype that it has after an update too, so that nothing retraces."""
    dtype = jnp.result_type(x)
    return jnp.asarray(x, dtype) if isinstance(x, jax.Array) else jax.device_put(np.array(x, dtype))


def _is_floating(x: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(x), jnp.inexact)
