"""Normalisation by the responses of other channels."""

from __future__ import annotations

from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
import pax.initializers as initializers
from pax._core import Module, ParameterModule, ShapeError, arguments
from pax.nn import given


class LocalResponseNorm(Module):
    """Divides each entry by a power of the mean square of the channels around it.

    y = x / (k + alpha * square)^beta, where square is the sum of x^2 over `size` neighbouring
    channels, with zeros beyond the first and last, divided by size.

    Args:
        size: number of channels in a window.
        alpha: weight of the mean square.
        beta: the power.
        k: what is added to the weighted mean square.
        data_format: "N...C" or "channels_last", "NC..." or "channels_first".
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> norm = pax.LocalResponseNorm(2, alpha=2.0, beta=1.0, k=7.0)
        >>> norm(jnp.array([[3.0, 4.0, 0.0]])).tolist()  # divided by 7 + 9, 7 + 25, 7 + 16
        [[0.1875, 0.125, 0.0]]
    Source: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks",
        2012, where the sum is not divided by size.
    """

    precision_role = "full"

    def __init__(
        self,
        size: int,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        data_format: str = "N...C",
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("LocalResponseNorm", size=size)
        arguments.one_of("LocalResponseNorm", "data_format", data_format, given.FORMATS)
        self.size = size
        self.alpha = arguments.positive("LocalResponseNorm", "alpha", alpha)
        self.beta = arguments.positive("LocalResponseNorm", "beta", beta)
        self.k = arguments.positive("LocalResponseNorm", "k", k)
        self.data_format = data_format

    def __call__(self, x: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """Normalises x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, floating.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has no axis of channels beside that of the batch.
        """
        x = given.floating(self, x)
        if x.ndim < 2:
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}; expected batch and channels.",
                "add the batch axis with x[None].",
            )
        channel = given.channel_axis_of(self.data_format, x.ndim)
        return F.local_response_normalize(x, self.size, channel, self.alpha, self.beta, self.k)

    def __repr__(self) -> str:
        return self._repr(
            {
                "size": self.size,
                "alpha": self.alpha,
                "beta": self.beta,
                "k": self.k,
                "data_format": self.data_format,
            }
        )


class GRN(ParameterModule):
    """Global response normalisation: weighs each channel by its share, and adds the input.

    y = scale * (x * share) + offset + x, with share = norm / (mean of norm over the channels + eps)
    and norm the root of the sum of x^2 over space, for each example and channel. Scale and offset
    [C] start at zero, so that at first nothing changes.

    Args:
        num_channels: C, number of channels.
        eps: added to the mean of the norms.
        data_format: "N...C" or "channels_last", "NC..." or "channels_first".
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> norm = pax.GRN(2).replace(scale=jnp.ones(2))
        >>> print(norm(jnp.array([[[3.0, 0.0], [4.0, 5.0]]])).round(2))  # both norms are 5
        [[[ 6.  0.]
          [ 8. 10.]]]
    Source: Woo et al., "ConvNeXt V2: co-designing and scaling ConvNets with masked autoencoders",
        2023 (arXiv 2301.00808).
    """

    scale: Float[Array, "C"]
    offset: Float[Array, "C"]
    precision_role = "full"

    def __init__(
        self,
        num_channels: int,
        eps: float = 1e-6,
        data_format: str = "N...C",
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("GRN", num_channels=num_channels)
        arguments.one_of("GRN", "data_format", data_format, given.FORMATS)
        self.num_channels = num_channels
        self.eps = arguments.positive("GRN", "eps", eps)
        self.data_format = data_format
        self.scale = initializers.zeros(None, (num_channels,))
        self.offset = initializers.zeros(None, (num_channels,))

    def __call__(self, x: Float[ArrayLike, "*shape"]) -> Float[Array, "*shape"]:
        """Normalises x.

        Args:
            x: shape [B, ..., C], or [B, C, ...] with channels first, floating.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has not C channels, or no space.
        """
        x = given.floating(self, x)
        channel = given.channel_axis(self, x, self.data_format, self.num_channels)
        space = tuple(axis for axis in range(1, x.ndim) if axis != channel)
        if not space or 0 in x.shape[1:]:
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}, which has no space to sum over.",
                "give it an input with at least one axis beside batch and channels, not empty.",
            )
        shape = [self.num_channels if axis == channel else 1 for axis in range(x.ndim)]
        scale, offset = self.scale.reshape(shape), self.offset.reshape(shape)
        return F.global_response_normalize(x, space, channel, self.eps, scale, offset)

    def __repr__(self) -> str:
        return self._repr({"num_channels": self.num_channels, "data_format": self.data_format})
