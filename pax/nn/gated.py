"""Dense layers of which one half opens and closes the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
import pax.initializers as initializers
from pax._core import ArgumentError, ParameterModule, arguments
from pax.nn import given, keys


class GLU(ParameterModule):
    """A gated dense layer over the last axis.

    y = (x V + c) * activation(x W + b). One product computes both: `weight` holds the columns of
    V, then those of W, and `bias` c, then b. A Transformer's dense block is such a layer and a
    linear one: `pax.Sequential(pax.SwiGLU(512, 1365), pax.Linear(1365, 512))`.

    Args:
        in_dim: size of the last axis of the input.
        out_dim: size of the last axis of the output.
        with_bias: whether c and b are added; without them, `bias` is None.
        w_init: draws V and W as one array [in_dim, 2 out_dim]; by default as in `pax.Linear`.
        b_init: draws c and b as one array [2 out_dim]; zeros by default.
        activation: what goes over the gate: a function of an array; the sigmoid by default.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or activation or an initializer cannot
            be called.
    Example:
        >>> pax.GLU(3, 4)(jnp.ones((2, 3))).shape
        (2, 4)
    Source: Dauphin et al., "Language modeling with gated convolutional networks", 2016
        (arXiv 1612.08083).
    """

    weight: Float[Array, "in_dim 2*out_dim"]
    bias: Float[Array, "2*out_dim"] | None
    precision_role = "half"

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        *,
        activation: Callable[[Any], Any] = jax.nn.sigmoid,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        layer = type(self).__name__
        arguments.sizes(layer, in_dim=in_dim, out_dim=out_dim)
        arguments.flags(layer, with_bias=with_bias)
        arguments.initializer(layer, "w_init", w_init)
        arguments.initializer(layer, "b_init", b_init)
        if not callable(activation):
            raise ArgumentError(
                f"{layer} got activation of type {type(activation).__name__}, which cannot be "
                "called.",
                "pass a function of an array: activation=jax.nn.silu.",
            )
        self.in_dim = in_dim
        self.out_dim = out_dim
        self.with_bias = with_bias
        self.activation = activation
        w_key, b_key = keys.for_weight_and_bias(rng_key, b_init)
        w_init, b_init = w_init or initializers.lecun_normal(), b_init or initializers.zeros
        self.weight = arguments.drawn(layer, "w_init", w_init, w_key, (in_dim, 2 * out_dim))
        self.bias = (
            arguments.drawn(layer, "b_init", b_init, b_key, (2 * out_dim,)) if with_bias else None
        )

    def __call__(
        self, x: Float[ArrayLike, "*batch in_dim"]
    ) -> Float[Array, "*batch {self.out_dim}"]:
        """Applies the layer.

        Args:
            x: input, shape [..., in_dim], floating.
        Returns:
            Shape [..., out_dim].
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if the last axis of x is not in_dim.
        """
        x = given.floating(self, x)
        given.last_axis(self, x, self.in_dim, "in_dim")
        return F.glu(F.linear(x, self.weight, self.bias), activation=self.activation)

    def __repr__(self) -> str:
        return self._repr(
            {"in_dim": self.in_dim, "out_dim": self.out_dim, "with_bias": self.with_bias}
        )


class SwiGLU(GLU):
    """A gated dense layer whose gate goes through `jax.nn.silu`.

    y = (x V + c) * silu(x W + b); the rest is as in `GLU`. LLaMA has it without biases.

    Args:
        in_dim: size of the last axis of the input.
        out_dim: size of the last axis of the output.
        with_bias: whether c and b are added; without them, `bias` is None.
        w_init: draws V and W as one array [in_dim, 2 out_dim]; by default as in `pax.Linear`.
        b_init: draws c and b as one array [2 out_dim]; zeros by default.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or an initializer cannot be called.
    Example:
        >>> pax.SwiGLU(3, 4, with_bias=False)(jnp.ones((2, 3))).shape
        (2, 4)
    Source: Shazeer, "GLU variants improve Transformer", 2020 (arXiv 2002.05202).
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            in_dim,
            out_dim,
            with_bias,
            w_init,
            b_init,
            activation=jax.nn.silu,
            rng_key=rng_key,
            name=name,
        )


class GeGLU(GLU):
    """A gated dense layer whose gate goes through `pax.functional.gelu`.

    y = (x V + c) * gelu(x W + b), with the approximate gelu; the rest is as in `GLU`.

    Args:
        in_dim: size of the last axis of the input.
        out_dim: size of the last axis of the output.
        with_bias: whether c and b are added; without them, `bias` is None.
        w_init: draws V and W as one array [in_dim, 2 out_dim]; by default as in `pax.Linear`.
        b_init: draws c and b as one array [2 out_dim]; zeros by default.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or an initializer cannot be called.
    Example:
        >>> pax.GeGLU(3, 4)(jnp.ones((2, 3))).shape
        (2, 4)
    Source: Shazeer, "GLU variants improve Transformer", 2020 (arXiv 2002.05202).
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            in_dim,
            out_dim,
            with_bias,
            w_init,
            b_init,
            activation=F.gelu,
            rng_key=rng_key,
            name=name,
        )
