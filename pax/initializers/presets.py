"""Variance scaling as published: LeCun, Glorot and He initializers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pax.initializers.base import Initializer
from pax.initializers.scaling import variance_scaling


def lecun_normal(
    in_axis: int | Sequence[int] = -2,
    out_axis: int | Sequence[int] = -1,
    batch_axis: int | Sequence[int] = (),
    dtype: Any = None,
) -> Initializer:
    """Returns an initializer of variance 1 / fan_in, from a truncated normal law.

    It is `variance_scaling(1.0, "fan_in", "truncated_normal")`: a linear
    layer keeps the variance of its input.

    Args:
        in_axis: the axis or axes of the inputs.
        out_axis: the axis or axes of the outputs.
        batch_axis: the axis or axes of independent layers.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer, for shapes that have these axes.
    Example:
        >>> w_init = pax.initializers.lecun_normal()
        >>> round(float(w_init(jax.random.key(0), (100, 300)).std()), 2)
        0.1
    Source: LeCun et al., "Efficient backprop", 1998.
    """
    return variance_scaling(1.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def lecun_uniform(
    in_axis: int | Sequence[int] = -2,
    out_axis: int | Sequence[int] = -1,
    batch_axis: int | Sequence[int] = (),
    dtype: Any = None,
) -> Initializer:
    """Returns an initializer of variance 1 / fan_in, from a uniform law.

    It is `variance_scaling(1.0, "fan_in", "uniform")`: a linear layer
    keeps the variance of its input.

    Args:
        in_axis: the axis or axes of the inputs.
        out_axis: the axis or axes of the outputs.
        batch_axis: the axis or axes of independent layers.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer, for shapes that have these axes.
    Example:
        >>> w_init = pax.initializers.lecun_uniform()
        >>> round(float(w_init(jax.random.key(0), (100, 300)).std()), 2)
        0.1
    Source: LeCun et al., "Efficient backprop", 1998.
    """
    return variance_scaling(1.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def glorot_normal(
    in_axis: int | Sequence[int] = -2,
    out_axis: int | Sequence[int] = -1,
    batch_axis: int | Sequence[int] = (),
    dtype: Any = None,
) -> Initializer:
    """Returns an initializer of variance 2 / (fan_in + fan_out), from a truncated normal law.

    It is `variance_scaling(1.0, "fan_avg", "truncated_normal")`: a compromise
    between keeping the variance of activations and that of gradients.

    Args:
        in_axis: the axis or axes of the inputs.
        out_axis: the axis or axes of the outputs.
        batch_axis: the axis or axes of independent layers.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer, for shapes that have these axes.
    Example:
        >>> w_init = pax.initializers.glorot_normal()
        >>> round(float(w_init(jax.random.key(0), (100, 300)).std()), 2)
        0.07
    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
        networks", 2010.
    """
    return variance_scaling(
        1.0, "fan_avg", "truncated_normal", in_axis, out_axis, batch_axis, dtype
    )


def glorot_uniform(
    in_axis: int | Sequence[int] = -2,
    out_axis: int | Sequence[int] = -1,
    batch_axis: int | Sequence[int] = (),
    dtype: Any = None,
) -> Initializer:
    """Returns an initializer of variance 2 / (fan_in + fan_out), from a uniform law.

    It is `variance_scaling(1.0, "fan_avg", "uniform")`: a compromise
    between keeping the variance of activations and that of gradients.

    Args:
        in_axis: the axis or axes of the inputs.
        out_axis: the axis or axes of the outputs.
        batch_axis: the axis or axes of independent layers.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer, for shapes that have these axes.
    Example:
        >>> w_init = pax.initializers.glorot_uniform()
        >>> round(float(w_init(jax.random.key(0), (100, 300)).std()), 2)
        0.07
    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
        networks", 2010.
    """
    return variance_scaling(1.0, "fan_avg", "uniform", in_axis, out_axis, batch_axis, dtype)


def he_normal(
    in_axis: int | Sequence[int] = -2,
    out_axis: int | Sequence[int] = -1,
    batch_axis: int | Sequence[int] = (),
    dtype: Any = None,
) -> Initializer:
    """Returns an initializer of variance 2 / fan_in, from a truncated normal law.

    It is `variance_scaling(2.0, "fan_in", "truncated_normal")`: twice LeCun's, for the
    half that a ReLU cuts away.

    Args:
        in_axis: the axis or axes of the inputs.
        out_axis: the axis or axes of the outputs.
        batch_axis: the axis or axes of independent layers.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer, for shapes that have these axes.
    Example:
        >>> w_init = pax.initializers.he_normal()
        >>> round(float(w_init(jax.random.key(0), (100, 300)).std()), 2)
        0.14
    Source: He et al., "Delving deep into rectifiers", 2015 (arXiv 1502.01852).
    """
    return variance_scaling(2.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def he_uniform(
    in_axis: int | Sequence[int] = -2,
    out_axis: int | Sequence[int] = -1,
    batch_axis: int | Sequence[int] = (),
    dtype: Any = None,
) -> Initializer:
    """Returns an initializer of variance 2 / fan_in, from a uniform law.

    It is `variance_scaling(2.0, "fan_in", "uniform")`: twice LeCun's, for the
    half that a ReLU cuts away.

    Args:
        in_axis: the axis or axes of the inputs.
        out_axis: the axis or axes of the outputs.
        batch_axis: the axis or axes of independent layers.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer, for shapes that have these axes.
    Example:
        >>> w_init = pax.initializers.he_uniform()
        >>> round(float(w_init(jax.random.key(0), (100, 300)).std()), 2)
        0.14
    Source: He et al., "Delving deep into rectifiers", 2015 (arXiv 1502.01852).
    """
    return variance_scaling(2.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)
