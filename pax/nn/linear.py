"""The dense layer."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array, ArrayLike, Num

import pax.functional as F
import pax.initializers as initializers
from pax._core import ParameterModule, arguments
from pax.nn import given, keys


class Linear(ParameterModule):
    """A dense layer over the last axis.

    y = x W + b, with W of shape [in_dim, out_dim] and b of shape [out_dim].

    Args:
        in_dim: size of the last axis of the input.
        out_dim: size of the last axis of the output.
        with_bias: whether b is added; without it, `bias` is None.
        w_init: draws W as `w_init(rng_key, shape)`; by default with variance 1 / in_dim
            (`pax.initializers.lecun_normal()`).
        b_init: draws b; zeros by default.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or an initializer cannot be called.
    Example:
        >>> pax.Linear(3, 4)(jnp.ones((2, 3))).shape
        (2, 4)
    """

    weight: Num[Array, "in_dim out_dim"]
    bias: Num[Array, "out_dim"] | None
    precision_role = "half"

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
        super().__init__(name=name)
        arguments.sizes("Linear", in_dim=in_dim, out_dim=out_dim)
        arguments.flags("Linear", with_bias=with_bias)
        arguments.initializer("Linear", "w_init", w_init)
        arguments.initializer("Linear", "b_init", b_init)
        self.in_dim = in_dim
        self.out_dim = out_dim
        self.with_bias = with_bias
        w_key, b_key = keys.for_weight_and_bias(rng_key, b_init)
        w_init, b_init = w_init or initializers.lecun_normal(), b_init or initializers.zeros
        self.weight = arguments.drawn("Linear", "w_init", w_init, w_key, (in_dim, out_dim))
        self.bias = (
            arguments.drawn("Linear", "b_init", b_init, b_key, (out_dim,)) if with_bias else None
        )

    def __call__(self, x: Num[ArrayLike, "*batch in_dim"]) -> Num[Array, "*batch {self.out_dim}"]:
        """Applies the layer.

        Args:
            x: input, shape [..., in_dim].
        Returns:
            Shape [..., out_dim].
        Raises:
            DtypeError: if x is not an array.
            ShapeError: if the last axis of x is not in_dim.
        """
        x = given.array(self, x)
        given.last_axis(self, x, self.in_dim, "in_dim")
        return F.linear(x, self.weight, self.bias)

    def __repr__(self) -> str:
        return self._repr(
            {"in_dim": self.in_dim, "out_dim": self.out_dim, "with_bias": self.with_bias}
        )
