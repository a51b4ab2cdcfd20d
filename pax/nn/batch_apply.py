"""A layer over several batch axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax

from pax._core import Module, ShapeError, arguments
from pax.nn import given
from pax.nn.lambda_module import as_module


class BatchApply(Module):
    """Joins the first axes into one batch axis, calls a layer, and splits the axis again.

    For layers that know a single batch axis, where `jax.vmap` would not do: the layer sees all
    samples at once, so that statistics are over all of them, random numbers differ, and state is
    updated once.

    Args:
        module: a module or a function of arrays [B, ...] that returns arrays [B, ...].
        num_dims: number of first axes to join.
        name: name of the module.
    Raises:
        ArgumentError: if module cannot be called, or num_dims is not a positive integer.
    Example:
        >>> over_time = pax.BatchApply(pax.Conv2D(3, 8, 3))
        >>> over_time(jnp.ones((2, 5, 16, 16, 3))).shape
        (2, 5, 16, 16, 8)
    """

    module: Module

    def __init__(
        self, module: Module | Callable[..., Any], num_dims: int = 2, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.module = as_module(
            "BatchApply", "module", module, "pass a module: pax.BatchApply(pax.Conv2D(3, 8, 3))."
        )
        arguments.sizes("BatchApply", num_dims=num_dims)
        self.num_dims = num_dims

    def __call__(self, *inputs: Any) -> Any:
        """Calls the layer on the joined axes.

        Args:
            inputs: arrays, and containers of arrays, whose first num_dims axes are equal.
        Returns:
            What the layer returns, with its first axis split again.
        Raises:
            DtypeError: if an input or output is not an array.
            ShapeError: if inputs have too few axes or differ in the first ones, or the first axis
                of an output is not the batch.
        """
        inputs = jax.tree.map(lambda x: given.array(self, x), inputs)
        shapes = [x.shape for x in jax.tree.leaves(inputs)]
        batches = {shape[: self.num_dims] for shape in shapes}
        batch = min(batches, default=())
        if len(batches) != 1 or len(batch) < self.num_dims:
            raise ShapeError(
                f"{self!r} got inputs of shapes {', '.join(map(str, shapes)) or '()'}; expected "
                f"the same first {self.num_dims} axes in all.",
                "give all inputs the batch axes, or set num_dims to the number that they share.",
            )
        size = math.prod(batch)

        def split(y: Any) -> Any:
            y = given.array(self, y, "an output of module")
            if y.shape[:1] != (size,):
                raise ShapeError(
                    f"{self!r} got an output of module of shape {y.shape} for a batch of {size}; "
                    f"expected ({size}, ...).",
                    "let the module return its outputs with the batch first.",
                )
            return y.reshape(*batch, *y.shape[1:])

        joined = jax.tree.map(lambda x: x.reshape(size, *x.shape[self.num_dims :]), inputs)
        return jax.tree.map(split, self.module(*joined))  # type: ignore[operator]

    def __repr__(self) -> str:
        return self._repr({"num_dims": self.num_dims})
