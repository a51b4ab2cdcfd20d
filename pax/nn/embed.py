"""The embedding table, looked up one by one or by the bag."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Integer, Num, Shaped

import pax.functional as F
import pax.initializers as initializers
from pax._core import ArgumentError, DtypeError, ParameterModule, arguments, key_or_next, known
from pax.nn import given


class Embed(ParameterModule):
    """A table of trainable vectors, looked up by integer.

    y = W[x], with W of shape [vocab_size, embed_dim].

    Args:
        vocab_size: number of vectors.
        embed_dim: size of each vector.
        w_init: draws W as `w_init(rng_key, shape)`; by default the standard normal distribution
            cut at two standard deviations.
        padding_index: the index of padding, if there is one: its vector starts at zero and gets
            no gradient.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, w_init cannot be called, or
            padding_index is not an index of the table.
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
        padding_index: int | None = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.weight = _table("Embed", vocab_size, embed_dim, w_init, padding_index, rng_key)
        self.vocab_size = vocab_size
        self.embed_dim = embed_dim
        self.padding_index = padding_index

    def __call__(self, x: Integer[ArrayLike, "*shape"]) -> Num[Array, "*shape {self.embed_dim}"]:
        """Looks up vectors.

        Args:
            x: indices of any shape, integer, in [0, vocab_size).
        Returns:
            Shape [*x.shape, embed_dim]. Where a compiled program finds an index that is not in the
            table, its vector is NaN, and has no gradient.
        Raises:
            ArgumentError: if an index is not in the table, where the values of x are known.
            DtypeError: if x is not an array of integers.
        """
        indices, values = _indices(self, x), known(x)
        if values is not None:
            _check_range(self, values, self.vocab_size)
        return F.embed(indices, self.weight, padding_index=self.padding_index)

    def attend(self, x: Float[ArrayLike, "*shape embed_dim"]) -> Float[Array, "*shape vocab_size"]:
        """Returns how well vectors fit each vector of the table: an output layer with its weights.

        y = x W^T. The logits of a language model whose input and output share their vectors
        (flax's `Embed.attend`). At padding_index the table gets no gradient here either.

        Args:
            x: vectors, shape [..., embed_dim], floating.
        Returns:
            Shape [..., vocab_size].
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if the last axis of x is not embed_dim.
        """
        x = given.floating(self, x)
        given.last_axis(self, x, self.embed_dim, "embed_dim")
        y = F.linear(x, self.weight.T)
        if self.padding_index is None:
            return y
        is_padding = jnp.arange(self.vocab_size) == self.padding_index
        return jnp.where(is_padding.reshape(*[1] * (y.ndim - 1), -1), jax.lax.stop_gradient(y), y)

    def __repr__(self) -> str:
        return self._repr(
            {
                "vocab_size": self.vocab_size,
                "embed_dim": self.embed_dim,
                "padding_index": self.padding_index,
            }
        )


class EmbeddingBag(ParameterModule):
    """A table of trainable vectors, of which a bag of integers gives one.

    y = sum, mean or maximum of W[x_n] over the integers of a bag, with W of shape
    [vocab_size, embed_dim]. Bags of unequal sizes are padded to one, and the padding masked out.
    For a flat list of integers with the number of each one's bag:
    `jax.ops.segment_sum(table(x), bags, num_segments)`, with `table` an `Embed`.

    Args:
        vocab_size: number of vectors.
        embed_dim: size of each vector.
        mode: "mean", "sum" or "max". A bag in which nothing counts gives zeros.
        w_init: draws W as `w_init(rng_key, shape)`; by default as in `Embed`.
        padding_index: an index that does not count, if there is one; its vector starts at zero.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, w_init cannot be called, mode is
            another, or padding_index is not an index of the table.
    Example:
        >>> bag = pax.EmbeddingBag(10, 4, "sum", padding_index=0)
        >>> bag(jnp.array([[1, 2, 3], [4, 0, 0]])).shape
        (2, 4)
    """

    weight: Num[Array, "vocab_size embed_dim"]

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        mode: str = "mean",
        w_init: arguments.Initializer | None = None,
        *,
        padding_index: int | None = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.one_of("EmbeddingBag", "mode", mode, ("mean", "sum", "max"))
        self.weight = _table("EmbeddingBag", vocab_size, embed_dim, w_init, padding_index, rng_key)
        self.vocab_size = vocab_size
        self.embed_dim = embed_dim
        self.mode = mode
        self.padding_index = padding_index

    def __call__(
        self,
        x: Integer[ArrayLike, "*shape N"],
        mask: Shaped[ArrayLike, "*shape N"] | None = None,
        factors: Num[ArrayLike, "*shape N"] | None = None,
    ) -> Num[Array, "*shape {self.embed_dim}"]:
        """Looks up the vectors of each bag, and reduces them.

        Args:
            x: indices, integer, shape [..., N]: N of each bag.
            mask: True (or not zero) for the indices that count, shape [..., N].
            factors: what the vectors are multiplied by, shape [..., N]; only with mode "sum".
        Returns:
            Shape [..., embed_dim].
        Raises:
            ArgumentError: if factors are given with another mode.
            DtypeError: if x is not an array of integers.
            ShapeError: if x has no axis, or mask or factors have another shape.
        """
        x = _indices(self, x)
        options = {"mask": mask, "factors": factors, "padding_index": self.padding_index}
        return F.embedding_bag(x, self.weight, mode=self.mode, **options)

    def __repr__(self) -> str:
        return self._repr(
            {
                "vocab_size": self.vocab_size,
                "embed_dim": self.embed_dim,
                "mode": self.mode,
                "padding_index": self.padding_index,
            }
        )


def _table(
    layer: str, vocab_size: int, embed_dim: int, w_init: Any, padding_index: Any, rng_key: Any
) -> Array:
    """Returns the first table of a layer, zero at padding; raises if an argument cannot be."""
    arguments.sizes(layer, vocab_size=vocab_size, embed_dim=embed_dim)
    arguments.initializer(layer, "w_init", w_init)
    is_index = arguments.is_int(padding_index) and 0 <= padding_index < vocab_size
    if padding_index is not None and not is_index:
        raise ArgumentError(
            f"{layer} got padding_index={padding_index!r}; expected an integer in "
            f"[0, {vocab_size}).",
            "give the index that stands for padding in the input, or None.",
        )
    init = w_init or initializers.truncated_normal(stddev=1.0)
    key, shape = key_or_next(rng_key), (vocab_size, embed_dim)
    weight = arguments.drawn(layer, "w_init", init, key, shape)
    return weight if padding_index is None else weight.at[padding_index].set(0)


def _indices(module: Any, x: Any) -> Array:
    """Returns indices as a JAX array; raises if they are no integers."""
    x = given.array(module, x)
    if not jnp.issubdtype(x.dtype, jnp.integer):
        raise DtypeError(
            f"{module!r} got indices of dtype {x.dtype}; expected integers.",
            "convert them first: x.astype(jnp.int32).",
        )
    return x


def _check_range(module: Any, x: np.ndarray, size: int) -> None:
    """Raises unless all indices are of a table of this size."""
    lowest, highest = (int(x.min()), int(x.max())) if x.size else (0, 0)
    if lowest < 0 or highest >= size:
        raise ArgumentError(
            f"{module!r} got the index {lowest if lowest < 0 else highest}; expected 0 to "
            f"{size - 1}.",
            "give padding an index of the table, and mask it out; none counts from the end."
            if lowest < 0
            else f"build the table with vocab_size={highest + 1}, or look for the wrong index.",
        )
