"""A perceptron of several layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jaxtyping import Array, ArrayLike, Num

from pax._core import ArgumentError, Module, arguments, keys_for_parts
from pax.nn.lambda_module import as_module
from pax.nn.linear import Linear


class MLP(Module):
    """Dense layers with an activation between them.

    x <- activation(x W_i + b_i) for all layers but the last, then y = x W_n + b_n. For an
    activation, or anything else, after the last layer: `pax.Sequential(pax.MLP(...), jax.nn.relu)`.

    Args:
        dims: sizes of the input, of each hidden layer, and of the output.
        activation: a function, or a module that is called after each layer but the last.
        with_bias: whether the layers add a bias.
        w_init: draws each W as `w_init(rng_key, shape)`; by default as in `pax.Linear`.
        b_init: draws each b; zeros by default.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if dims are not two or more positive integers, or activation or an
            initializer cannot be called.
    Example:
        >>> net = pax.MLP((784, 256, 10))
        >>> print(net.summary())
        MLP(dims=(784, 256, 10))
        ├── Linear(in_dim=784, out_dim=256, with_bias=True)
        ├── Linear(in_dim=256, out_dim=10, with_bias=True)
        └── x => relu(x)
        >>> net(jnp.ones((2, 784))).shape
        (2, 10)
    """

    layers: tuple[Linear, ...]
    activation: Module

    def __init__(
        self,
        dims: Sequence[int],
        activation: Module | Callable[..., Any] = jax.nn.relu,
        *,
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        is_list = isinstance(dims, Sequence) and not isinstance(dims, str)
        if not is_list or len(dims) < 2 or not all(arguments.is_int(n) and n > 0 for n in dims):
            raise ArgumentError(
                f"MLP got dims={dims!r}; expected two or more positive integers.",
                "give the sizes from the input to the output: pax.MLP((784, 256, 10)).",
            )
        self.dims = tuple(map(int, dims))
        between = as_module(
            "MLP", "activation", activation, "pass a function or a module: activation=jax.nn.gelu."
        )
        layer_keys = keys_for_parts(rng_key, len(dims) - 1)
        self.layers = tuple(
            Linear(m, n, with_bias, w_init, b_init, rng_key=key)
            for m, n, key in zip(self.dims[:-1], self.dims[1:], layer_keys, strict=True)
        )
        self.activation = between

    def __call__(self, x: Num[ArrayLike, "*batch in_dim"]) -> Num[Array, "*batch out_dim"]:
        """Calls the layers in order.

        Args:
            x: input, shape [..., dims[0]].
        Returns:
            Shape [..., dims[-1]].
        Raises:
            DtypeError: if x is not an array.
            ShapeError: if the last axis of x is not dims[0].
        """
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))  # type: ignore[operator]
        return last(x)

    def __repr__(self) -> str:
        return self._repr({"dims": self.dims})
