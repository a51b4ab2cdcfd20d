"""A dense layer over named axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Num

import pax.functional as F
import pax.initializers as initializers
from pax._core import ParameterModule, ShapeError, arguments
from pax.nn import einsum_spec, given, keys


class EinsumLinear(ParameterModule):
    """A linear map of the axes that a text names.

    y[outputs] = sum x[inputs] W + b over the axes of the input that the output has not. The axes
    with a size are those of W: first those that are summed over, in the order of the input, then
    the others, in the order of the output. An axis with a size on both sides has a map of its own
    at each place; one without a size is on both sides, and is treated alike at all places; "..."
    stands for any number of those. b has the axes of the output that have a size, in their order.

    Args:
        spec: axes of the input, an arrow, axes of the output; names with spaces between.
        sizes: the size of each axis of W.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default a normal law cut at two standard
            deviations, of variance 1 / n, n the number of products in each sum.
        b_init: draws b; zeros by default.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if spec and sizes do not fit together, or an initializer cannot be called.
    Example:
        >>> sizes = {"width": 512, "heads": 8, "size": 64}
        >>> split = pax.EinsumLinear("... width -> ... heads size", sizes)
        >>> split(jnp.ones((2, 10, 512))).shape
        (2, 10, 8, 64)
        >>> merge = pax.EinsumLinear("... heads size -> ... width", sizes)
        >>> merge.weight.shape, merge.bias.shape
        ((8, 64, 512), (512,))
        >>> sizes = {"heads": 8, "size": 64, "out": 3}
        >>> own = pax.EinsumLinear("... heads size -> ... heads out", sizes)
        >>> own.weight.shape, own.bias.shape
        ((64, 8, 3), (8, 3))
    """

    weight: Num[Array, "..."]
    bias: Num[Array, "..."] | None
    precision_role = "half"

    def __init__(
        self,
        spec: str,
        sizes: Mapping[str, int],
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        axes = einsum_spec.parse(spec, sizes)
        arguments.flags("EinsumLinear", with_bias=with_bias)
        arguments.initializer("EinsumLinear", "w_init", w_init)
        arguments.initializer("EinsumLinear", "b_init", b_init)
        self.spec = spec
        self.sizes = dict(sizes)
        self.with_bias = with_bias
        self._axes = axes
        w_key, b_key = keys.for_weight_and_bias(rng_key, b_init)
        w_init = w_init or initializers.lecun_normal(*axes.fans)
        b_init = b_init or initializers.zeros
        shape, kept = (tuple(sizes[axis] for axis in of) for of in (axes.weight, axes.kept))
        self.weight = arguments.drawn("EinsumLinear", "w_init", w_init, w_key, shape)
        self.bias = (
            arguments.drawn("EinsumLinear", "b_init", b_init, b_key, kept) if with_bias else None
        )

    def __call__(self, x: Num[ArrayLike, "..."]) -> Num[Array, "..."]:
        """Applies the layer.

        Args:
            x: input, with the axes on the left of spec.
        Returns:
            An array with the axes on the right of spec.
        Raises:
            DtypeError: if x is not an array.
            ShapeError: if x has another number of axes, or one of another size.
        """
        x = given.array(self, x)
        self._check(x.shape)
        axes, weight, bias = self._axes, self.weight, self.bias
        if not axes.is_dense:
            y = jnp.einsum(axes.equation, x, weight)
            return y if bias is None else y + bias.reshape(self._bias_shape(y.ndim))
        n, summed = x.ndim - len(axes.summed), math.prod(weight.shape[: len(axes.summed)])
        y = F.linear(
            x.reshape(*x.shape[:n], summed),
            weight.reshape(summed, -1),
            None if bias is None else bias.reshape(-1),
        )
        return y.reshape(*y.shape[:n], *weight.shape[len(axes.summed) :])

    def _check(self, shape: tuple[int, ...]) -> None:
        """Raises unless the input may have this shape."""
        named = [axis for axis in self._axes.inputs if axis != einsum_spec.ANY]
        is_open = len(named) < len(self._axes.inputs)
        if len(shape) < len(named) or (len(shape) > len(named) and not is_open):
            raise ShapeError(
                f"{self!r} got input of shape {shape}; expected the axes "
                f"{' '.join(self._axes.inputs)}.",
                "reshape the input, or build the layer with the axes that it has.",
            )
        for axis in named:
            has = shape[self._axes.axis_of_input(axis)]
            if axis in self.sizes and has != self.sizes[axis]:
                raise ShapeError(
                    f"{self!r} got input of shape {shape}, whose axis {axis!r} has size {has}; "
                    f"expected {self.sizes[axis]}.",
                    f"build the layer with the size of the input, {{{axis!r}: {has}}}."
                    if has
                    else f"give {axis!r} a size of {self.sizes[axis]}.",
                )

    def _bias_shape(self, ndim: int) -> tuple[int, ...]:
        """Returns the shape in which the bias lines up with an output of so many axes."""
        outputs = self._axes.outputs
        free = (1,) * (ndim - sum(axis != einsum_spec.ANY for axis in outputs))
        return tuple(
            size
            for axis in outputs
            for size in (free if axis == einsum_spec.ANY else (self.sizes.get(axis, 1),))
        )

    def __repr__(self) -> str:
        return self._repr({"spec": self.spec, "sizes": self.sizes, "with_bias": self.with_bias})
