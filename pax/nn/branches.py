"""Layers side by side: each is called on the same input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from pax._core import ArgumentError, Module, ShapeError, arguments
from pax.nn import given
from pax.nn.lambda_module import as_module


class Parallel(Module):
    """Calls each layer on the same input, and returns all outputs.

    y = (f_1(x), ..., f_n(x)).

    Args:
        modules: modules, and functions of one array; a function is wrapped in `pax.Lambda`.
        name: name of the module.
    Raises:
        ArgumentError: if a module cannot be called.
    Example:
        >>> heads = pax.Parallel(pax.Linear(8, 3), pax.Linear(8, 1))
        >>> classes, score = heads(jnp.ones((2, 8)))
        >>> classes.shape, score.shape
        ((2, 3), (2, 1))
    """

    modules: tuple[Module, ...]

    def __init__(self, *modules: Module | Callable[..., Any], name: str | None = None) -> None:
        super().__init__(name=name)
        self.modules = _branches("Parallel", modules)

    def __call__(self, x: Any) -> tuple[Any, ...]:
        """Calls the layers, in order.

        Args:
            x: input of every layer.
        Returns:
            The output of each layer.
        """
        return tuple(module(x) for module in self.modules)  # type: ignore[operator]


class Concatenate(Module):
    """Calls each layer on the same input, and joins the outputs along one axis.

    y = concatenate(f_1(x), ..., f_n(x)). A `pax.Identity()` among the layers keeps the input too.

    Args:
        modules: modules, and functions of one array; a function is wrapped in `pax.Lambda`.
        axis: the axis to join along; the channels, by default the last one.
        name: name of the module.
    Raises:
        ArgumentError: if there is no module, one cannot be called, or axis is no integer.
    Example:
        >>> grow = pax.Concatenate(pax.Identity(), pax.Conv2D(8, 4, 3))
        >>> grow(jnp.ones((2, 5, 5, 8))).shape
        (2, 5, 5, 12)
    """

    modules: tuple[Module, ...]

    def __init__(
        self, *modules: Module | Callable[..., Any], axis: int = -1, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.modules = _branches("Concatenate", modules)
        if not modules:
            raise ArgumentError(
                "Concatenate got no modules; expected one or more.",
                "pass what to call: pax.Concatenate(pax.Identity(), pax.Linear(2, 3)).",
            )
        arguments.integer("Concatenate", "axis", axis)
        self.axis = axis

    def __call__(self, x: Any) -> Array:
        """Calls the layers, in order, and joins what they return.

        Args:
            x: input of every layer.
        Returns:
            The outputs as one array, equal to the sum of their sizes along `axis`.
        Raises:
            DtypeError: if an output is not an array.
            ShapeError: if the outputs differ in more than `axis`, or have no such axis.
        """
        outputs = [
            given.array(self, module(x), f"an output of modules.{i}")  # type: ignore[operator]
            for i, module in enumerate(self.modules)
        ]
        shapes = [y.shape for y in outputs]
        ndim = len(shapes[0])
        if not -ndim <= self.axis < ndim or len({_without(s, self.axis) for s in shapes}) > 1:
            raise ShapeError(
                f"{self!r} got outputs of shapes {', '.join(map(str, shapes))}, which cannot be "
                f"joined along axis {self.axis}.",
                "let all modules return the same shape but for that axis, or join along another "
                "with axis=...",
            )
        return jnp.concatenate(outputs, self.axis)

    def __repr__(self) -> str:
        return self._repr({"axis": self.axis})


def _branches(layer: str, modules: tuple[Any, ...]) -> tuple[Module, ...]:
    fix = (
        f"pass modules and functions: pax.{layer}(pax.Linear(2, 3), jax.nn.relu); "
        "spread a list with *modules."
    )
    return tuple(as_module(layer, f"module {i}", module, fix) for i, module in enumerate(modules))


def _without(shape: tuple[int, ...], axis: int) -> tuple[Any, ...]:
    """Returns a shape with nothing said of one axis; None for it, so that the rank counts."""
    return tuple(None if i == axis % max(1, len(shape)) else n for i, n in enumerate(shape))
