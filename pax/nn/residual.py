"""A layer with a shortcut around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from pax._core import Module, ShapeError
from pax.nn import given
from pax.nn.lambda_module import as_module

_FIX = "pass modules or functions: pax.Residual(pax.Linear(3, 4), shortcut=pax.Linear(3, 4))."


class Residual(Module):
    """Adds what a layer returns to its input.

    y = s(x) + f(x), with f the argument `module` and s the argument `shortcut`. The sum of
    floating numbers has the dtype of s(x): an f in half precision leaves a float32 input float32.

    Args:
        module: f, a module or a function of one array.
        shortcut: s, what the input goes through on the way around, where f changes its shape; by
            default s(x) = x.
        name: name of the module.
    Raises:
        ArgumentError: if module or shortcut cannot be called.
    Example:
        >>> block = pax.Residual(pax.Sequential(pax.Linear(8, 8), jax.nn.relu))
        >>> block(jnp.ones((2, 8))).shape
        (2, 8)
    Source: He et al., "Deep residual learning for image recognition", 2015 (arXiv 1512.03385).
    """

    module: Module
    shortcut: Module | None

    def __init__(
        self,
        module: Module | Callable[..., Any],
        shortcut: Module | Callable[..., Any] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.module = as_module("Residual", "module", module, _FIX)
        self.shortcut = (
            None if shortcut is None else as_module("Residual", "shortcut", shortcut, _FIX)
        )

    def __call__(self, x: Any) -> Array:
        """Calls the module, then the shortcut, and adds.

        Args:
            x: an array, as module and shortcut take it.
        Returns:
            The sum, shape of s(x).
        Raises:
            DtypeError: if one of the two is not an array.
            ShapeError: if f(x) has another shape than s(x).
        """
        of_shortcut = "input" if self.shortcut is None else "an output of shortcut"
        y = given.array(self, self.module(x), "an output of module")  # type: ignore[operator]
        kept = x if self.shortcut is None else self.shortcut(x)  # type: ignore[operator]
        kept = given.array(self, kept, of_shortcut)
        if y.shape != kept.shape:
            raise ShapeError(
                f"{self!r} got {of_shortcut} of shape {kept.shape} and an output of module of "
                f"shape {y.shape}; expected equal shapes.",
                "give a shortcut that changes the shape of the input as the module does: "
                "shortcut=pax.Linear(in_dim, out_dim).",
            )
        are_floating = all(jnp.issubdtype(array.dtype, jnp.floating) for array in (kept, y))
        return kept + (y.astype(kept.dtype) if are_floating else y)
