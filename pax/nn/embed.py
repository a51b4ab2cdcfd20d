"""The embedding table."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Integer, Num

import pax.functional as F
import pax.initializers as initializers
from pax._core import DtypeError, ParameterModule, arguments, key_or_next
from pax.nn import given


class Embed(ParameterModule):
    """A table of trainable vectors, looked up by integer.

    y = W[x], with W of shape [vocab_size, embed_dim].

    Args:
        vocab_size: number of vectors.
        embed_dim: size of each vector.
        w_init: draws W as `w_init(rng_key, shape)`; by default the standard normal distribution
            cut at two standard deviations.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or w_init cannot be called.
    Example:
        >>> pax.Embed(10, 4)(jnp.array([[1, 2, 3]])).shape
        (1, 3, 4)
    """

    weight: Num[Array, "vocab_size embed_dim"]

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        w_init: arguments.Initializer | None = None,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("Embed", vocab_size=vocab_size, embed_dim=embed_dim)
        arguments.initializer("Embed", "w_init", w_init)
        self.vocab_size = vocab_size
        self.embed_dim = embed_dim
        init = w_init or initializers.truncated_normal(stddev=1.0)
        key, shape = key_or_next(rng_key), (vocab_size, embed_dim)
        self.weight = arguments.drawn("Embed", "w_init", init, key, shape)

    def __call__(self, x: Integer[ArrayLike, "*shape"]) -> Num[Array, "*shape {self.embed_dim}"]:
        """Looks up vectors.

        Args:
            x: indices of any shape, integer, in [0, vocab_size).
        Returns:
            Shape [*x.shape, embed_dim].
        Raises:
            DtypeError: if x is not an array of integers.
        """
        x = given.array(self, x)
        if not jnp.issubdtype(x.dtype, jnp.integer):
            raise DtypeError(
                f"{self!r} got indices of dtype {x.dtype}; expected integers.",
                "convert them first: x.astype(jnp.int32).",
            )
        return F.embed(x, self.weight)

    def __repr__(self) -> str:
        return self._repr({"vocab_size": self.vocab_size, "embed_dim": self.embed_dim})
