"""A layer that is linear in each of two inputs."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
import pax.initializers as initializers
from pax._core import ParameterModule, ShapeError, arguments
from pax.nn import given, keys


class Bilinear(ParameterModule):
    """A product of two inputs through a weight.

    y_k = sum_ij left_i W_ijk right_j + b_k, with W of shape [left_dim, right_dim, out_dim] and b
    of shape [out_dim].

    Args:
        left_dim: size of the last axis of the first input.
        right_dim: size of the last axis of the second input.
        out_dim: size of the last axis of the output.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default a normal law cut at two standard
            deviations, of variance 1 / (left_dim right_dim).
        b_init: draws b; zeros by default.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or an initializer cannot be called.
    Example:
        >>> pax.Bilinear(3, 4, 5)(jnp.ones((2, 3)), jnp.ones((2, 4))).shape
        (2, 5)
    """

    weight: Float[Array, "left_dim right_dim out_dim"]
    bias: Float[Array, "out_dim"] | None
    precision_role = "half"

    def __init__(
        self,
        left_dim: int,
        right_dim: int,
        out_dim: int,
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("Bilinear", left_dim=left_dim, right_dim=right_dim, out_dim=out_dim)
        arguments.flags("Bilinear", with_bias=with_bias)
        arguments.initializer("Bilinear", "w_init", w_init)
        arguments.initializer("Bilinear", "b_init", b_init)
        self.left_dim = left_dim
        self.right_dim = right_dim
        self.out_dim = out_dim
        self.with_bias = with_bias
        w_key, b_key = keys.for_weight_and_bias(rng_key, b_init)
        w_init = w_init or initializers.lecun_normal(in_axis=(0, 1), out_axis=2)
        b_init = b_init or initializers.zeros
        shape = (left_dim, right_dim, out_dim)
        self.weight = arguments.drawn("Bilinear", "w_init", w_init, w_key, shape)
        self.bias = (
            arguments.drawn("Bilinear", "b_init", b_init, b_key, (out_dim,)) if with_bias else None
        )

    def __call__(
        self, left: Float[ArrayLike, "*batch left_dim"], right: Float[ArrayLike, "*batch right_dim"]
    ) -> Float[Array, "*batch {self.out_dim}"]:
        """Applies the layer.

        Args:
            left: the first input, shape [..., left_dim], floating.
            right: the second input, shape [..., right_dim], floating, with the same axes before.
        Returns:
            Shape [..., out_dim].
        Raises:
            DtypeError: if an input is not a floating array.
            ShapeError: if a last axis has another size, or the axes before are not the same.
        """
        left = given.floating(self, left, "left")
        right = given.floating(self, right, "right")
        given.last_axis(self, left, self.left_dim, "left_dim", "left")
        given.last_axis(self, right, self.right_dim, "right_dim", "right")
        if left.shape[:-1] != right.shape[:-1]:
            raise ShapeError(
                f"{self!r} got left of shape {left.shape} and right of shape {right.shape}; "
                "expected the same axes but for the last.",
                "repeat the smaller one: jnp.broadcast_to(...).",
            )
        return F.bilinear(left, right, self.weight, self.bias)

    def __repr__(self) -> str:
        return self._repr(
            {
                "left_dim": self.left_dim,
                "right_dim": self.right_dim,
                "out_dim": self.out_dim,
                "with_bias": self.with_bias,
            }
        )
