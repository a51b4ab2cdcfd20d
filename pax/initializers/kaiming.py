"""He's variance scaling for leaky rectifiers, under the names that JAX and torch give it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import ArrayLike

from pax.initializers.base import Initializer, checked_number
from pax.initializers.scaling import check_choice, variance_scaling

_MODES = ("fan_in", "fan_out")


def kaiming_normal(
    in_axis: int | Sequence[int] = -2,
    out_axis: int | Sequence[int] = -1,
    batch_axis: int | Sequence[int] = (),
    dtype: Any = None,
    *,
    a: ArrayLike = 0.0,
    mode: str = "fan_in",
) -> Initializer:
    """Returns an initializer of variance 2 / ((1 + a^2) n), from a truncated normal law.

    n is fan_in or fan_out, as `mode` says. With a = 0 it is `he_normal`. torch does not cut its
    normal law; `variance_scaling(2.0, mode, "normal")` is that one.

    Args:
        in_axis: the axis or axes of the inputs.
        out_axis: the axis or axes of the outputs.
        batch_axis: the axis or axes of independent layers.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
        a: the slope of the leaky ReLU below zero, 0 for a ReLU.
        mode: "fan_in" keeps the variance on the way forward, "fan_out" that of the gradients.
    Returns:
        An initializer, for shapes that have these axes.
    Raises:
        ArgumentError: if a is not finite, or mode is none of these.
    Example:
        >>> w_init = pax.initializers.kaiming_normal(a=1.0)
        >>> round(float(w_init(jax.random.key(0), (100, 300)).std()), 2)
        0.1
    Source: He et al., "Delving deep into rectifiers", 2015 (arXiv 1502.01852).
    """
    scale = _scale("kaiming_normal", a, mode)
    return variance_scaling(scale, mode, "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def kaiming_uniform(
    in_axis: int | Sequence[int] = -2,
    out_axis: int | Sequence[int] = -1,
    batch_axis: int | Sequence[int] = (),
    dtype: Any = None,
    *,
    a: ArrayLike = 0.0,
    mode: str = "fan_in",
) -> Initializer:
    """Returns an initializer of variance 2 / ((1 + a^2) n), from a uniform law.

    The law is uniform within sqrt(6 / ((1 + a^2) n)) of 0, where n is fan_in or fan_out, as `mode`
    says. With a = 0 it is `he_uniform`; with a = sqrt(5) it is the law of the weights of torch's
    linear layers and convolutions, uniform within 1 / sqrt(fan_in).

    Args:
        in_axis: the axis or axes of the inputs.
        out_axis: the axis or axes of the outputs.
        batch_axis: the axis or axes of independent layers.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
        a: the slope of the leaky ReLU below zero, 0 for a ReLU.
        mode: "fan_in" keeps the variance on the way forward, "fan_out" that of the gradients.
    Returns:
        An initializer, for shapes that have these axes.
    Raises:
        ArgumentError: if a is not finite, or mode is none of these.
    Example:
        >>> w_init = pax.initializers.kaiming_uniform(a=5**0.5)
        >>> round(float(w_init(jax.random.key(0), (100, 300)).max()), 2)
        0.1
    Source: He et al., "Delving deep into rectifiers", 2015 (arXiv 1502.01852).
    """
    scale = _scale("kaiming_uniform", a, mode)
    return variance_scaling(scale, mode, "uniform", in_axis, out_axis, batch_axis, dtype)


def _scale(owner: str, a: ArrayLike, mode: str) -> float:
    check_choice(owner, "mode", mode, _MODES)
    return 2.0 / (1.0 + checked_number(owner, "a", a) ** 2)
