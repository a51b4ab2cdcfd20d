"""Scores that depend on the distance of query and key, as layers."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Integer

import pax.functional as F
import pax.initializers as initializers
from pax._core import (
    ArgumentError,
    DtypeError,
    Module,
    ParameterModule,
    ShapeError,
    arguments,
    key_or_next,
)
from pax.nn import given


class Alibi(Module):
    """Lowers scores in proportion to the distance of query and key: ALiBi.

    bias[h, t, s] = -m_h |p_t - p_s|, with the slopes m of `pax.functional.alibi_slopes`; nothing
    is trained. Give it to an attention layer, `pax.MultiHeadAttention(..., position=pax.Alibi(H))`,
    which never makes the whole bias.

    Args:
        num_heads: H, number of heads.
        name: name of the module.
    Raises:
        ArgumentError: if num_heads is not a positive integer.
    Example:
        >>> pax.Alibi(2)(jnp.arange(3), jnp.arange(3))[0, 2] * 16
        Array([-2., -1., -0.], dtype=float32)
    Source: Press et al., "Train short, test long: attention with linear biases enables input
        length extrapolation", 2021 (arXiv 2108.12409).
    """

    def __init__(self, num_heads: int, *, name: str | None = None) -> None:
        super().__init__(name=name)
        arguments.sizes("Alibi", num_heads=num_heads)
        self.num_heads = num_heads

    def __call__(
        self,
        query_positions: Integer[ArrayLike, "*B T"],
        key_positions: Integer[ArrayLike, "*B S"],
    ) -> Float[Array, "*B {self.num_heads} T S"]:
        """Returns what is added to the scores.

        Args:
            query_positions: integers, shape [..., T].
            key_positions: integers, shape [..., S].
        Returns:
            Shape [..., H, T, S], float32.
        Raises:
            DtypeError: if positions are not integers.
            ShapeError: if the axes before the last differ.
        """
        distance = jnp.abs(_relative(self, query_positions, key_positions))[..., None, :, :]
        slopes = F.alibi_slopes(self.num_heads)
        return -slopes.reshape((1,) * (distance.ndim - 3) + (-1, 1, 1)) * distance.astype(
            slopes.dtype
        )

    def __repr__(self) -> str:
        return self._repr({"num_heads": self.num_heads})


class RelativePositionBias(ParameterModule):
    """Adds a trainable number to the scores for each head and bucket of distances: T5's bias.

    bias[h, t, s] = W[bucket(p_s - p_t), h], with W of shape [num_buckets, H] and the buckets of
    `pax.functional.relative_position_bucket`. Give it to an attention layer, as `position` of
    `pax.MultiHeadAttention`, or at each call where layers share it, as in T5.

    Args:
        num_buckets: number of buckets.
        max_distance: distances from here on share a bucket.
        num_heads: H, number of heads.
        is_bidirectional: whether keys ahead of the query have buckets of their own; True in
            encoders, False in decoders.
        w_init: draws W as `w_init(rng_key, shape)`; by default a normal law of standard deviation
            0.02.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a number is not a positive integer, they do not fit together, or w_init
            cannot be called.
    Example:
        >>> bias = pax.RelativePositionBias(32, 128, num_heads=4, is_bidirectional=False)
        >>> bias(jnp.arange(5), jnp.arange(5)).shape
        (4, 5, 5)
    Source: Raffel et al., "Exploring the limits of transfer learning with a unified text-to-text
        transformer", 2019 (arXiv 1910.10683).
    """

    weight: Float[Array, "num_buckets num_heads"]

    def __init__(
        self,
        num_buckets: int,
        max_distance: int,
        num_heads: int,
        is_bidirectional: bool = True,
        *,
        w_init: arguments.Initializer | None = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        layer = "RelativePositionBias"
        arguments.sizes(
            layer, num_buckets=num_buckets, max_distance=max_distance, num_heads=num_heads
        )
        arguments.flags(layer, is_bidirectional=is_bidirectional)
        arguments.initializer(layer, "w_init", w_init)
        each = 4 if is_bidirectional else 2
        if num_buckets < each or num_buckets % (each // 2) or max_distance <= num_buckets // each:
            raise ArgumentError(
                f"{layer} got num_buckets={num_buckets!r} and max_distance={max_distance!r} with "
                f"is_bidirectional={is_bidirectional!r}; expected buckets in a multiple of "
                f"{each // 2}, at least {each}, and a distance beyond their 1 / {each}.",
                "write num_buckets=32 and max_distance=128, as T5.",
            )
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.num_heads = num_heads
        self.is_bidirectional = is_bidirectional
        init = w_init or initializers.normal(0.02)
        shape = (num_buckets, num_heads)
        self.weight = arguments.drawn(layer, "w_init", init, key_or_next(rng_key), shape)

    def __call__(
        self,
        query_positions: Integer[ArrayLike, "*B T"],
        key_positions: Integer[ArrayLike, "*B S"],
    ) -> Float[Array, "*B {self.num_heads} T S"]:
        """Returns what is added to the scores.

        Args:
            query_positions: integers, shape [..., T].
            key_positions: integers, shape [..., S].
        Returns:
            Shape [..., H, T, S], dtype of the weight.
        Raises:
            DtypeError: if positions are not integers.
            ShapeError: if the axes before the last differ.
        """
        buckets = F.relative_position_bucket(
            _relative(self, query_positions, key_positions),
            num_buckets=self.num_buckets,
            max_distance=self.max_distance,
            is_bidirectional=self.is_bidirectional,
        )
        return jnp.moveaxis(F.embed(buckets, self.weight), -1, -3)

    def __repr__(self) -> str:
        return self._repr(
            {
                "num_buckets": self.num_buckets,
                "max_distance": self.max_distance,
                "num_heads": self.num_heads,
                "is_bidirectional": self.is_bidirectional,
            }
        )


def _relative(module: Module, query_positions: Any, key_positions: Any) -> Array:
    """Returns position of the key minus position of the query, [..., T, S]."""
    both = []
    for name, value in (("query", query_positions), ("key", key_positions)):
        at = given.array(module, value, f"{name}_positions")
        if not jnp.issubdtype(at.dtype, jnp.integer):
            raise DtypeError(
                f"{module!r} got {name}_positions of dtype {at.dtype}; expected integers.",
                "give one integer for each place: jnp.arange(T).",
            )
        both.append(at.astype(np.int32))  # a difference of unsigned ones would wrap around
    query, key = both
    if query.ndim == 0 or key.ndim == 0 or query.shape[:-1] != key.shape[:-1]:
        raise ShapeError(
            f"{module!r} got query_positions of shape {query.shape} and key_positions of shape "
            f"{key.shape}; expected (..., T) and (..., S).",
            "give both the same axes before the last.",
        )
    return key[..., None, :] - query[..., :, None]
