"""Initializers that draw from one law, whatever the shape."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, ArrayLike

from pax._core import ArgumentError
from pax.initializers.base import Initializer, RandomInitializer, checked_number
from pax.initializers.blocks import Plan


def normal_law(key: Array, shape: tuple[int, ...], dtype: np.dtype, scale: Array) -> Array:
    """Draws with mean 0 and standard deviation `scale`."""
    return jax.nn.initializers.normal(scale, dtype)(key, shape)


def uniform_law(
    key: Array, shape: tuple[int, ...], dtype: np.dtype, scale: Array, lower: Array
) -> Array:
    """Draws uniformly from `lower` to 1, then multiplies by `scale`."""
    return jax.random.uniform(key, shape, dtype, lower) * scale


def uniform_between_law(
    key: Array, shape: tuple[int, ...], dtype: np.dtype, scale: Array, lower: Array, upper: Array
) -> Array:
    """Draws uniformly from `lower` to `upper`; the bounds are the scale."""
    del scale
    return jax.random.uniform(key, shape, dtype, lower, upper)


def truncated_normal_law(
    key: Array, shape: tuple[int, ...], dtype: np.dtype, scale: Array, lower: Array, upper: Array
) -> Array:
    """Draws from a standard normal cut off at both bounds, then multiplies by `scale`."""
    return jax.random.truncated_normal(key, lower, upper, shape, dtype) * scale


def normal(stddev: ArrayLike = 1e-2, dtype: Any = None) -> Initializer:
    """Returns an initializer that draws from a normal law with mean 0.

    w = stddev z, with z standard normal.

    Args:
        stddev: the standard deviation, not negative.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer.
    Raises:
        ArgumentError: if stddev is negative, not finite or no number.
    Example:
        >>> w_init = pax.initializers.normal(0.1)
        >>> round(float(w_init(jax.random.key(0), (100, 100)).std()), 2)
        0.1
    """
    return _Normal(checked_number("normal", "stddev", stddev, lowest=0), dtype=dtype)


def uniform(scale: ArrayLike = 1e-2, dtype: Any = None) -> Initializer:
    """Returns an initializer that draws uniformly from [0, scale).

    w = scale u, with u uniform in [0, 1).

    Args:
        scale: the upper end of the interval.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer.
    Raises:
        ArgumentError: if scale is not finite or no number.
    Example:
        >>> w_init = pax.initializers.uniform(3.0)
        >>> round(float(w_init(jax.random.key(0), (100, 100)).max()), 2)
        3.0
    """
    return _Uniform(checked_number("uniform", "scale", scale), dtype=dtype)


def uniform_between(lower: ArrayLike, upper: ArrayLike, dtype: Any = None) -> Initializer:
    """Returns an initializer that draws uniformly from [lower, upper).

    w = lower + (upper - lower) u, with u uniform in [0, 1): the numbers of `jax.random.uniform`.

    Args:
        lower: the lower end of the interval.
        upper: the upper end of the interval.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer.
    Raises:
        ArgumentError: if a bound is not finite or no number, or lower >= upper.
    Example:
        >>> b_init = pax.initializers.uniform_between(-0.1, 0.1)
        >>> b = b_init(jax.random.key(0), (1000,))
        >>> round(float(b.min()), 2), round(float(b.max()), 2)
        (-0.1, 0.1)
    """
    low = checked_number("uniform_between", "lower", lower)
    high = checked_number("uniform_between", "upper", upper)
    if low >= high:
        raise ArgumentError(
            f"uniform_between got lower={low:g} and upper={high:g}; expected lower < upper.",
            "write uniform_between(-0.1, 0.1), for example.",
        )
    return _UniformBetween(low, high, dtype=dtype)


def truncated_normal(
    stddev: ArrayLike = 1e-2, dtype: Any = None, lower: ArrayLike = -2.0, upper: ArrayLike = 2.0
) -> Initializer:
    """Returns an initializer that draws from a normal law cut off at both ends.

    w = stddev z, with z standard normal given that lower < z < upper. The standard deviation of
    w is therefore less than stddev: 0.88 stddev with the default bounds.

    Args:
        stddev: the standard deviation before the cut, not negative.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
        lower: the lower bound of z.
        upper: the upper bound of z.
    Returns:
        An initializer.
    Raises:
        ArgumentError: if stddev is negative, an argument is not finite, or lower >= upper.
    Example:
        >>> w_init = pax.initializers.truncated_normal(0.5)
        >>> bool((abs(w_init(jax.random.key(0), (100, 100))) < 1.0).all())
        True
    """
    low = checked_number("truncated_normal", "lower", lower)
    high = checked_number("truncated_normal", "upper", upper)
    if low >= high:
        raise ArgumentError(
            f"truncated_normal got lower={low:g} and upper={high:g}; expected lower < upper.",
            "the bounds count in standard deviations: lower=-2.0, upper=2.0.",
        )
    stddev = checked_number("truncated_normal", "stddev", stddev, lowest=0)
    return _TruncatedNormal(stddev, low, high, dtype=dtype)


@dataclasses.dataclass(frozen=True, repr=False)
class _Normal(RandomInitializer):
    _name = "normal"
    stddev: float

    def _plan(self, shape: tuple[int, ...], dtype: np.dtype) -> Plan:
        return Plan(normal_law, np.asarray(self.stddev).astype(dtype))

    def _of_jax(self) -> Any:
        return jax.nn.initializers.normal(self.stddev)


@dataclasses.dataclass(frozen=True, repr=False)
class _Uniform(RandomInitializer):
    _name = "uniform"
    _is_real = True
    scale: float

    def _plan(self, shape: tuple[int, ...], dtype: np.dtype) -> Plan:
        return Plan(uniform_law, np.asarray(self.scale).astype(dtype), (0.0,))

    def _of_jax(self) -> Any:
        return jax.nn.initializers.uniform(self.scale)


@dataclasses.dataclass(frozen=True, repr=False)
class _UniformBetween(RandomInitializer):
    _name = "uniform_between"
    _is_real = True
    lower: float
    upper: float

    def _bounds(self, dtype: np.dtype) -> tuple[Any, Any]:
        return np.asarray(self.lower).astype(dtype), np.asarray(self.upper).astype(dtype)

    def _plan(self, shape: tuple[int, ...], dtype: np.dtype) -> Plan:
        return Plan(uniform_between_law, np.ones((), dtype), self._bounds(dtype))

    def _of_jax(self) -> Any:
        return lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, *self._bounds(dtype))


@dataclasses.dataclass(frozen=True, repr=False)
class _TruncatedNormal(RandomInitializer):
    _name = "truncated_normal"
    _is_real = True
    stddev: float
    lower: float = -2.0
    upper: float = 2.0

    def _plan(self, shape: tuple[int, ...], dtype: np.dtype) -> Plan:
        scale = np.asarray(self.stddev).astype(dtype)
        return Plan(truncated_normal_law, scale, (self.lower, self.upper))

    def _of_jax(self) -> Any:
        return jax.nn.initializers.truncated_normal(self.stddev, lower=self.lower, upper=self.upper)
