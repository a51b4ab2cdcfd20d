"""Initializers that scale a law by the number of inputs and outputs of a layer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import ArrayLike

from pax._core import ArgumentError
from pax.initializers.base import Initializer, RandomInitializer, checked_number
from pax.initializers.blocks import Plan
from pax.initializers.laws import normal_law, truncated_normal_law, uniform_law

_MODES = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
_DISTRIBUTIONS = ("truncated_normal", "normal", "uniform")

#: The standard deviation of a standard normal cut off at -2 and 2.
_TRUNCATED_STDDEV = 0.87962566103423978


def variance_scaling(
    scale: ArrayLike,
    mode: str,
    distribution: str,
    in_axis: int | Sequence[int] = -2,
    out_axis: int | Sequence[int] = -1,
    batch_axis: int | Sequence[int] = (),
    dtype: Any = None,
) -> Initializer:
    """Returns an initializer whose variance suits the size of the layer.

    var(w) = scale / n, around mean 0. Of the axes, in_axis counts inputs, out_axis outputs,
    batch_axis independent layers, and the others make up the receptive field. Then
    fan_in = inputs x field, fan_out = outputs x field, and n is one of them or a mean.

    Args:
        scale: the variance times n, not negative.
        mode: what n is: "fan_in", "fan_out", "fan_avg" (arithmetic mean) or "fan_geo_avg".
        distribution: "truncated_normal" (cut off at two standard deviations before the scaling),
            "normal" or "uniform".
        in_axis: the axis or axes of the inputs.
        out_axis: the axis or axes of the outputs.
        batch_axis: the axis or axes of independent layers.
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Returns:
        An initializer, for shapes that have these axes.
    Raises:
        ArgumentError: if scale is negative, or mode or distribution is none of these.
    Example:
        >>> w_init = pax.initializers.variance_scaling(1.0, "fan_in", "normal")
        >>> round(float(w_init(jax.random.key(0), (100, 200)).std()), 2)
        0.1
    """
    check_choice("variance_scaling", "mode", mode, _MODES)
    check_choice("variance_scaling", "distribution", distribution, _DISTRIBUTIONS)
    return _VarianceScaling(
        checked_number("variance_scaling", "scale", scale, lowest=0),
        mode,
        distribution,
        _tuple(in_axis),
        _tuple(out_axis),
        _tuple(batch_axis),
        dtype=dtype,
    )


def check_choice(owner: str, name: str, value: str, known: tuple[str, ...]) -> None:
    """Raises an ArgumentError that names `owner` unless the value is one of the known ones."""
    if value not in known:
        raise ArgumentError(
            f"{owner} got {name}={value!r}; expected one of {', '.join(known)}.",
            f"write {name}={known[0]!r}, for example.",
        )


def _tuple(axes: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(axes) if isinstance(axes, Sequence) else (axes,)


@dataclasses.dataclass(frozen=True, repr=False)
class _VarianceScaling(RandomInitializer):
    _name = "variance_scaling"
    scale: float
    mode: Any
    distribution: Any
    in_axis: tuple[int, ...] = (-2,)
    out_axis: tuple[int, ...] = (-1,)
    batch_axis: tuple[int, ...] = ()

    def _check(self, shape: tuple[int, ...]) -> None:
        named = (*self.in_axis, *self.out_axis, *self.batch_axis)
        missing = [axis for axis in named if not -len(shape) <= axis < len(shape)]
        if missing:
            raise ArgumentError(
                f"{self} got shape {shape}, which has no axis {missing[0]} to count "
                "inputs, outputs or independent layers on.",
                "a weight needs two axes or more; for others name them: in_axis=0, out_axis=0.",
            )

    def _plan(self, shape: tuple[int, ...], dtype: np.dtype) -> Plan:
        variance = np.asarray(self.scale / self._fan(shape)).astype(dtype)
        if self.distribution == "normal":
            return Plan(normal_law, np.asarray(np.sqrt(variance)))
        if self.distribution == "uniform":
            return Plan(uniform_law, np.asarray(np.sqrt(dtype.type(3) * variance)), (-1.0,))
        scale = np.sqrt(variance) / np.asarray(_TRUNCATED_STDDEV).astype(dtype)
        return Plan(truncated_normal_law, np.asarray(scale), (-2.0, 2.0))

    def _fan(self, shape: tuple[int, ...]) -> float:
        inputs = math.prod(shape[axis] for axis in self.in_axis)
        outputs = math.prod(shape[axis] for axis in self.out_axis)
        layers = math.prod(shape[axis] for axis in self.batch_axis)
        field = math.prod(shape) / inputs / outputs / layers
        fan_in, fan_out = inputs * field, outputs * field
        match self.mode:
            case "fan_in":
                return fan_in
            case "fan_out":
                return fan_out
            case "fan_avg":
                return (fan_in + fan_out) / 2
            case _:
                return (fan_in * fan_out) ** 0.5

    def _of_jax(self) -> Any:
        return jax.nn.initializers.variance_scaling(
            self.scale,
            self.mode,
            self.distribution,
            self.in_axis,
            self.out_axis,
            self.batch_axis,
        )
