"""Batch normalisation over any number of axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from jax import lax
from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
import pax.initializers as initializers
from pax._core import ArgumentError, CallError, ParameterModule, ShapeError, arguments
from pax.nn import given
from pax.nn.ema import EMA


class BatchNorm(ParameterModule):
    """What batch normalisation of every rank has in common; use `BatchNorm1D` to `BatchNorm3D`.

    Args:
        num_channels: C, number of channels.
        create_scale: whether there is a trainable scale.
        create_offset: whether there is a trainable offset.
        decay_rate: weight of the past in the running averages.
        eps: added to the variance.
        data_format: order of the input's axes.
        axis_name: names of mapped axes that the batch spans, or None.
        unbiased_variance: whether `ema_var` follows the unbiased variance.
        name: name of the module.
    """

    scale: Float[Array, "..."] | None
    offset: Float[Array, "..."] | None
    ema_mean: EMA
    ema_var: EMA
    #: Order of the axes: the default, then the alternative.
    _formats: ClassVar[tuple[str, str]]
    precision_role = "full"
    _summary_as_one_line = True

    def __init__(
        self,
        num_channels: int,
        create_scale: bool,
        create_offset: bool,
        decay_rate: float,
        eps: float,
        data_format: str,
        *,
        axis_name: str | Sequence[str] | None,
        unbiased_variance: bool,
        name: str | None,
    ) -> None:
        super().__init__(name=name)
        layer = type(self).__name__
        arguments.sizes(layer, num_channels=num_channels)
        arguments.flags(layer, create_scale=create_scale, create_offset=create_offset)
        arguments.flags(layer, unbiased_variance=unbiased_variance)
        arguments.one_of(layer, "data_format", data_format, self._formats)
        self.num_channels = num_channels
        self.create_scale = create_scale
        self.create_offset = create_offset
        self.decay_rate = arguments.rate(layer, "decay_rate", decay_rate, may_be_one=False)
        self.eps = arguments.positive(layer, "eps", eps)
        self.data_format = data_format
        self.axis_name = _axis_name(layer, axis_name)
        self.unbiased_variance = unbiased_variance
        # every axis is kept, so that averages and parameters line up with the input
        shape = tuple(num_channels if axis == "C" else 1 for axis in data_format)
        self.scale = initializers.ones(None, shape) if create_scale else None
        self.offset = initializers.zeros(None, shape) if create_offset else None
        self.ema_mean = EMA(initializers.zeros(None, shape), decay_rate, debias=True)
        self.ema_var = EMA(initializers.ones(None, shape), decay_rate, debias=True)

    def __call__(self, x: Float[ArrayLike, "*B_N_C"]) -> Float[Array, "*B_N_C"]:
        """Normalises the channels of x.

        Args:
            x: input in the layer's data format, floating.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank or number of channels, or, in training mode, no
                elements.
            PurityError: in training mode outside `pax.pure`.
            CallError: in training mode where no axis named axis_name is mapped.
        """
        x = given.floating(self, x)
        given.channels(self, x, self.data_format, self.num_channels, "num_channels")
        if not self.training:
            mean, variance = self.ema_mean.averages, self.ema_var.averages
            return F.normalize(x, mean, variance, self.eps, self.scale, self.offset)
        y, mean, variance = self._normalized_by_batch(x)
        self.ema_mean(mean)
        self.ema_var(variance)
        return y

    def _normalized_by_batch(self, x: Array) -> tuple[Array, Array, Array]:
        """Returns x normalised, and the mean and variance that the averages follow."""
        if x.size == 0:
            raise ShapeError(
                f"{self!r} got input of shape {x.shape} in training mode; an empty batch has no "
                "mean.",
                "leave empty batches out, or use `module.eval()`.",
            )
        axes = tuple(i for i, axis in enumerate(self.data_format) if axis != "C")
        try:
            parts = 1 if self.axis_name is None else lax.psum(1, self.axis_name)
        except NameError:
            name = repr(self.axis_name)
            raise CallError(
                f"{self!r} was called where no axis named {name} is mapped.",
                f"call it in jax.vmap(..., axis_name={name}) or in jax.shard_map over that axis; "
                "under jit alone leave axis_name out, for the statistics are those of the whole "
                "batch.",
            ) from None
        y, mean, variance = F.batch_normalize(
            x, axes, self.eps, self.scale, self.offset, axis_name=self.axis_name
        )
        if self.unbiased_variance:
            entries = parts * x.size // self.num_channels
            if entries == 1:
                raise ShapeError(
                    f"{self!r} got input of shape {x.shape} in training mode; one "
                    "entry has no unbiased variance.",
                    "give it a larger batch, or leave unbiased_variance out.",
                )
            variance = variance * (entries / (entries - 1))
        return y, mean, variance

    def __repr__(self) -> str:
        return self._repr(
            {
                "num_channels": self.num_channels,
                "create_scale": self.create_scale,
                "create_offset": self.create_offset,
                "decay_rate": self.decay_rate,
                "data_format": self.data_format,
                "axis_name": self.axis_name,
                "unbiased_variance": self.unbiased_variance or None,
            }
        )


def _axis_name(layer: str, value: Any) -> str | tuple[str, ...] | None:
    """Returns the name of a mapped axis, or the names of several as a tuple."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Sequence) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise ArgumentError(
        f"{layer} got axis_name={value!r}; expected a name, or several.",
        'write axis_name="batch", the name that jax.vmap or the mesh gives the axis.',
    )
