"""Batch normalisation."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
import pax.initializers as initializers
from pax._core import ParameterModule, ShapeError, arguments
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
        name: str | None,
    ) -> None:
        super().__init__(name=name)
        layer = type(self).__name__
        arguments.sizes(layer, num_channels=num_channels)
        arguments.flags(layer, create_scale=create_scale, create_offset=create_offset)
        arguments.one_of(layer, "data_format", data_format, self._formats)
        self.num_channels = num_channels
        self.create_scale = create_scale
        self.create_offset = create_offset
        self.decay_rate = arguments.rate(layer, "decay_rate", decay_rate, may_be_one=False)
        self.eps = arguments.positive(layer, "eps", eps)
        self.data_format = data_format
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
        """
        x = given.floating(self, x)
        given.channels(self, x, self.data_format, self.num_channels, "num_channels")
        if not self.training:
            mean, variance = self.ema_mean.averages, self.ema_var.averages
            return F.normalize(x, mean, variance, self.eps, self.scale, self.offset)
        if x.size == 0:
            raise ShapeError(
                f"{self!r} got input of shape {x.shape} in training mode; an empty batch has no "
                "mean.",
                "leave empty batches out, or use `module.eval()`.",
            )
        axes = tuple(i for i, axis in enumerate(self.data_format) if axis != "C")
        y, mean, variance = F.batch_normalize(x, axes, self.eps, self.scale, self.offset)
        self.ema_mean(mean)
        self.ema_var(variance)
        return y

    def __repr__(self) -> str:
        return self._repr(
            {
                "num_channels": self.num_channels,
                "create_scale": self.create_scale,
                "create_offset": self.create_offset,
                "decay_rate": self.decay_rate,
                "data_format": self.data_format,
            }
        )


class BatchNorm1D(BatchNorm):
    """Batch normalisation over batch and one spatial axis.

    y = (x - mean) / sqrt(variance + eps) * scale + offset, with one mean and variance a channel.
    In training mode they are those of the batch, the variance being the mean squared deviation,
    and `ema_mean` and `ema_var` follow them: the first batch replaces the initial averages,
    later ones enter with weight 1 - decay_rate. In evaluation mode these averages are used.

    Args:
        num_channels: C, number of channels.
        create_scale: whether there is a trainable scale; without it, `scale` is None.
        create_offset: whether there is a trainable offset; without it, `offset` is None.
        decay_rate: weight of the past in the running averages; torch's momentum is 1 minus this.
        eps: added to the variance.
        data_format: "NWC" (batch, width, channels) or "NCW".
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> x = jax.random.normal(jax.random.key(0), (8, 5, 3))
        >>> norm, y = pax.purecall(pax.BatchNorm1D(3), x)
        >>> norm.ema_mean.averages.shape
        (1, 1, 3)
    Source: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by
        reducing internal covariate shift", 2015 (arXiv 1502.03167).
    """

    _formats = ("NWC", "NCW")

    def __init__(
        self,
        num_channels: int,
        create_scale: bool = True,
        create_offset: bool = True,
        decay_rate: float = 0.9,
        eps: float = 1e-5,
        data_format: str = "NWC",
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(
            num_channels, create_scale, create_offset, decay_rate, eps, data_format, name=name
        )


class BatchNorm2D(BatchNorm):
    """Batch normalisation over batch and two spatial axes.

    y = (x - mean) / sqrt(variance + eps) * scale + offset, as in `BatchNorm1D`.

    Args:
        num_channels: C, number of channels.
        create_scale: whether there is a trainable scale; without it, `scale` is None.
        create_offset: whether there is a trainable offset; without it, `offset` is None.
        decay_rate: weight of the past in the running averages; torch's momentum is 1 minus this.
        eps: added to the variance.
        data_format: "NHWC" (batch, height, width, channels) or "NCHW".
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> x = jax.random.normal(jax.random.key(0), (8, 5, 5, 3))
        >>> norm, y = pax.purecall(pax.BatchNorm2D(3), x)
        >>> norm.eval()(x).shape
        (8, 5, 5, 3)
    Source: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by
        reducing internal covariate shift", 2015 (arXiv 1502.03167).
    """

    _formats = ("NHWC", "NCHW")

    def __init__(
        self,
        num_channels: int,
        create_scale: bool = True,
        create_offset: bool = True,
        decay_rate: float = 0.9,
        eps: float = 1e-5,
        data_format: str = "NHWC",
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(
            num_channels, create_scale, create_offset, decay_rate, eps, data_format, name=name
        )


class BatchNorm3D(BatchNorm):
    """Batch normalisation over batch and three spatial axes.

    y = (x - mean) / sqrt(variance + eps) * scale + offset, as in `BatchNorm1D`.

    Args:
        num_channels: C, number of channels.
        create_scale: whether there is a trainable scale; without it, `scale` is None.
        create_offset: whether there is a trainable offset; without it, `offset` is None.
        decay_rate: weight of the past in the running averages; torch's momentum is 1 minus this.
        eps: added to the variance.
        data_format: "NDHWC" (batch, depth, height, width, channels) or "NCDHW".
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> x = jax.random.normal(jax.random.key(0), (8, 4, 5, 5, 3))
        >>> norm, y = pax.purecall(pax.BatchNorm3D(3), x)
        >>> norm.eval()(x).shape
        (8, 4, 5, 5, 3)
    Source: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by
        reducing internal covariate shift", 2015 (arXiv 1502.03167).
    """

    _formats = ("NDHWC", "NCDHW")

    def __init__(
        self,
        num_channels: int,
        create_scale: bool = True,
        create_offset: bool = True,
        decay_rate: float = 0.9,
        eps: float = 1e-5,
        data_format: str = "NDHWC",
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(
            num_channels, create_scale, create_offset, decay_rate, eps, data_format, name=name
        )
