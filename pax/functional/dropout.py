"""Dropout: entries, channels or whole samples set to zero at random, the mean kept."""

from __future__ import annotations

import numbers
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, ShapeError
from pax.functional.arrays import as_floating
from pax.functional.layouts import channel_axis

#: What SELU tends to far below zero: -scale * alpha (Klambauer et al., 2017).
SELU_FLOOR = -1.7580993408473766


def dropout(rng_key: ArrayLike, dropout_rate: float, x: ArrayLike) -> Float[Array, "..."]:
    """Zeroes each entry with a given probability.

    y = 0 where m, else x / (1 - p), with p the argument `dropout_rate` and m drawn by
    `jax.random.bernoulli(rng_key, p, x.shape)`, so that the mean of y is x.

    Args:
        rng_key: the random key of the draw.
        dropout_rate: the probability p of dropping an entry, 0 <= p < 1.
        x: input, any shape, floating.
    Returns:
        Shape and dtype of x.
    Raises:
        ArgumentError: if dropout_rate is not a number in [0, 1).
        DtypeError: if x is not floating.
    Example:
        >>> y = pax.dropout(jax.random.key(0), 0.5, jnp.ones((1000,)))
        >>> sorted(set(y.tolist()))
        [0.0, 2.0]
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from
        overfitting", 2014.
    """
    check_rate("dropout", dropout_rate)
    x = as_floating("dropout", "x", x)
    return _dropped(rng_key, dropout_rate, x, x.shape)


def drop_path(rng_key: ArrayLike, dropout_rate: float, x: ArrayLike) -> Float[Array, "B ..."]:
    """Zeroes whole samples of a batch: stochastic depth, where x is what a block would add.

    y[b] = 0 where m[b], else x[b] / (1 - p), with p the argument `dropout_rate` and m drawn by
    `jax.random.bernoulli(rng_key, p, (B, 1, ..., 1))`.

    Args:
        rng_key: the random key of the draw.
        dropout_rate: the probability p of dropping a sample, 0 <= p < 1.
        x: input, shape [B, ...], floating.
    Returns:
        Shape and dtype of x.
    Raises:
        ArgumentError: if dropout_rate is not a number in [0, 1).
        DtypeError: if x is not floating.
        ShapeError: if x has no axis.
    Example:
        >>> y = pax.functional.drop_path(jax.random.key(0), 0.5, jnp.ones((1000, 3)))
        >>> sorted(set(map(tuple, y.tolist())))
        [(0.0, 0.0, 0.0), (2.0, 2.0, 2.0)]
    Source: Huang et al., "Deep networks with stochastic depth", 2016 (arXiv 1603.09382).
    """
    check_rate("drop_path", dropout_rate)
    x = as_floating("drop_path", "x", x)
    if x.ndim == 0:
        raise ShapeError(
            "drop_path got x of shape (); expected (batch, ...).",
            "give x a first axis over the samples.",
        )
    return _dropped(rng_key, dropout_rate, x, (x.shape[0],) + (1,) * (x.ndim - 1))


def spatial_dropout(
    rng_key: ArrayLike, dropout_rate: float, x: ArrayLike, *, data_format: str = "N...C"
) -> Float[Array, "B ..."]:
    """Zeroes whole channels, each sample its own.

    y[b, ..., c] = 0 where m[b, c], else x[b, ..., c] / (1 - p), with p the argument
    `dropout_rate` and m drawn by `jax.random.bernoulli(rng_key, p, (B, 1, ..., 1, C))`, the axes
    in the order of data_format.

    Args:
        rng_key: the random key of the draw.
        dropout_rate: the probability p of dropping a channel, 0 <= p < 1.
        x: input, shape [B, ..., C] or [B, C, ...], floating.
        data_format: "N...C" or "NC...", where the channels of x are.
    Returns:
        Shape and dtype of x.
    Raises:
        ArgumentError: if dropout_rate is not a number in [0, 1), or data_format is another.
        DtypeError: if x is not floating.
        ShapeError: if x has fewer than two axes.
    Example:
        >>> y = pax.functional.spatial_dropout(jax.random.key(0), 0.5, jnp.ones((1, 4, 100)))
        >>> sorted(set(map(tuple, y[0].T.tolist())))
        [(0.0, 0.0, 0.0, 0.0), (2.0, 2.0, 2.0, 2.0)]
    Source: Tompson et al., "Efficient object localization using convolutional networks", 2014
        (arXiv 1411.4280).
    """
    check_rate("spatial_dropout", dropout_rate)
    x = as_floating("spatial_dropout", "x", x)
    kept = (0, channel_axis("spatial_dropout", x, data_format))
    return _dropped(
        rng_key, dropout_rate, x, tuple(n if i in kept else 1 for i, n in enumerate(x.shape))
    )


def alpha_dropout(rng_key: ArrayLike, dropout_rate: float, x: ArrayLike) -> Float[Array, "..."]:
    """Sets entries to the floor of SELU, and keeps mean 0 and variance 1.

    y = a s + b where m, else a x + b, with p the argument `dropout_rate`, m drawn by
    `jax.random.bernoulli(rng_key, p, x.shape)`, s = -1.7581 the value of SELU far below zero,
    a = 1 / sqrt((1 - p) (1 + p s^2)) and b = -a p s.

    Args:
        rng_key: the random key of the draw.
        dropout_rate: the probability p of dropping an entry, 0 <= p < 1.
        x: input, any shape, floating; outputs of `jax.nn.selu`.
    Returns:
        Shape and dtype of x.
    Raises:
        ArgumentError: if dropout_rate is not a number in [0, 1).
        DtypeError: if x is not floating.
    Example:
        >>> x = jax.random.normal(jax.random.key(1), (10_000,))
        >>> y = pax.functional.alpha_dropout(jax.random.key(0), 0.5, x)
        >>> abs(float(y.mean())) < 0.05, abs(float(y.var()) - 1) < 0.05
        (True, True)
    Source: Klambauer et al., "Self-normalizing neural networks", 2017 (arXiv 1706.02515).
    """
    check_rate("alpha_dropout", dropout_rate)
    x = as_floating("alpha_dropout", "x", x)
    if dropout_rate == 0:
        return x
    return _alpha_drop(rng_key, float(dropout_rate), x)


def check_rate(function: str, dropout_rate: float) -> None:
    """Raises unless a rate is a number in [0, 1)."""
    if not isinstance(dropout_rate, numbers.Real) or not 0 <= dropout_rate < 1:
        raise ArgumentError(
            f"{function} got dropout_rate={dropout_rate!r}; expected a number in [0, 1).",
            "give the share of entries to drop, e.g. dropout_rate=0.1.",
        )


def _dropped(rng_key: ArrayLike, rate: float, x: Array, mask_shape: tuple[int, ...]) -> Array:
    return x if rate == 0 else _drop(rng_key, float(rate), x, mask_shape)


@partial(jax.jit, static_argnums=(1, 3), inline=True)  # one dispatch where called eagerly
def _drop(rng_key: ArrayLike, rate: float, x: Array, mask_shape: tuple[int, ...]) -> Array:
    dropped = jax.random.bernoulli(rng_key, rate, mask_shape)
    return jnp.where(dropped, jnp.zeros((), x.dtype), x / (1 - rate))


@partial(jax.jit, static_argnums=1, inline=True)  # one dispatch where called eagerly
def _alpha_drop(rng_key: ArrayLike, rate: float, x: Array) -> Array:
    dropped = jax.random.bernoulli(rng_key, rate, x.shape)
    a = ((1 - rate) * (1 + rate * SELU_FLOOR**2)) ** -0.5
    b = -a * rate * SELU_FLOOR
    return jnp.where(dropped, jnp.full((), a * SELU_FLOOR + b, x.dtype), a * x + b)
