"""The two networks of a DCGAN: one draws images, the other tells them from real ones."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

import pax.initializers as initializers
from pax._core import ArgumentError, Module, ShapeError, arguments
from pax.nets import images, keys
from pax.nets.parts import FORMATS
from pax.nn import BatchNorm2D, Conv2D, Conv2DTranspose, Linear

#: Height and width of the smallest array of features.
SMALLEST = 4
LEAK = 0.2


class DCGANGenerator(Module):
    """Draws images from random vectors: the generator of a DCGAN.

    A dense layer makes features of 4x4 places out of a vector; transposed convolutions, 4x4 of
    stride 2, double height and width until the image has its size, and halve the channels. A
    batch norm and relu follow each but the last, which ends in tanh. Weights start with
    deviation 0.02.

    Args:
        latent_dim: Z, size of the random vectors.
        output_channels: C, number of channels of the images.
        image_size: height and width of the images, 4 times a power of 2.
        base_channels: number of channels before the last convolution.
        data_format: "NCHW" (batch, channels, height, width) or "NHWC".
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> net = pax.nets.DCGANGenerator(100, 3, image_size=32, base_channels=8)
        >>> net, images = pax.purecall(net, jax.random.normal(jax.random.key(0), (2, 100)))
        >>> images.shape
        (2, 3, 32, 32)
    Source: Radford et al., "Unsupervised representation learning with deep convolutional
        generative adversarial networks", 2015 (arXiv 1511.06434).
    """

    project: Linear
    norms: list[BatchNorm2D]
    convs: list[Conv2DTranspose]

    def __init__(
        self,
        latent_dim: int,
        output_channels: int,
        *,
        image_size: int = 64,
        base_channels: int = 128,
        data_format: str = "NCHW",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        network = type(self).__name__
        arguments.sizes(network, latent_dim=latent_dim, output_channels=output_channels)
        channels = _channels(network, image_size, base_channels)[::-1]
        arguments.one_of(network, "data_format", data_format, FORMATS)
        self.latent_dim = latent_dim
        self.output_channels = output_channels
        self.image_size = image_size
        self.data_format = data_format
        w_init, layer_keys = initializers.normal(0.02), keys.for_layers(rng_key)
        self.project = Linear(
            latent_dim,
            SMALLEST**2 * channels[0],
            with_bias=False,
            w_init=w_init,
            rng_key=next(layer_keys),
        )
        self.norms = [BatchNorm2D(c, data_format=data_format) for c in channels]
        outputs = (*channels[1:], output_channels)
        self.convs = [
            Conv2DTranspose(
                before,
                after,
                4,
                stride=2,
                with_bias=i == len(channels) - 1,
                w_init=w_init,
                data_format=data_format,
                rng_key=next(layer_keys),
            )
            for i, (before, after) in enumerate(zip(channels, outputs, strict=True))
        ]

    def __call__(self, z: Float[ArrayLike, "B Z"]) -> Float[Array, "B *C_H_W"]:
        """Draws images.

        Args:
            z: random vectors, shape [B, Z], floating.
        Returns:
            Images in the network's data format, entries in [-1, 1], the dtype of z.
        Raises:
            DtypeError: if z is not a floating array.
            ShapeError: if z is not of shape [B, Z].
            PurityError: in training mode outside `pax.pure`.
        """
        if np.ndim(z) != 2:
            raise ShapeError(
                f"{self!r} got input of shape {np.shape(z)}; expected (B, {self.latent_dim}).",
                "draw one vector for each image: jax.random.normal(rng_key, (B, "
                f"{self.latent_dim})).",
            )
        y = self.project(z)
        y = y.reshape(len(y), SMALLEST, SMALLEST, self.norms[0].num_channels)
        y = images.from_channels_last(y, self.data_format)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = conv(jax.nn.relu(norm(y)))
        return jnp.tanh(y)

    def __repr__(self) -> str:
        return self._repr(
            {
                "latent_dim": self.latent_dim,
                "output_channels": self.output_channels,
                "image_size": self.image_size,
                "data_format": self.data_format,
            }
        )


class DCGANDiscriminator(Module):
    """Tells real images from drawn ones: the discriminator of a DCGAN.

    Convolutions, 4x4 of stride 2, halve height and width until 4x4 places are left, and double
    the channels; a batch norm follows each but the first, and leaky relu of slope 0.2 each. A
    dense layer makes a score of all features. Weights start with deviation 0.02.

    Args:
        input_channels: C, number of channels of the images.
        image_size: height and width of the images, 4 times a power of 2.
        base_channels: number of channels after the first convolution.
        data_format: "NCHW" (batch, channels, height, width) or "NHWC".
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> net = pax.nets.DCGANDiscriminator(3, image_size=32, base_channels=8)
        >>> net, scores = pax.purecall(net, jnp.ones((2, 3, 32, 32)))
        >>> scores.shape
        (2,)
    Source: Radford et al., "Unsupervised representation learning with deep convolutional
        generative adversarial networks", 2015 (arXiv 1511.06434).
    """

    convs: list[Conv2D]
    norms: list[BatchNorm2D]
    score: Linear

    def __init__(
        self,
        input_channels: int,
        *,
        image_size: int = 64,
        base_channels: int = 128,
        data_format: str = "NCHW",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        network = type(self).__name__
        arguments.sizes(network, input_channels=input_channels)
        channels = _channels(network, image_size, base_channels)
        arguments.one_of(network, "data_format", data_format, FORMATS)
        self.input_channels = input_channels
        self.image_size = image_size
        self.data_format = data_format
        w_init, layer_keys = initializers.normal(0.02), keys.for_layers(rng_key)
        inputs = (input_channels, *channels[:-1])
        self.convs = [
            Conv2D(
                before,
                after,
                4,
                stride=2,
                padding=[(1, 1), (1, 1)],
                with_bias=i == 0,
                w_init=w_init,
                data_format=data_format,
                rng_key=next(layer_keys),
            )
            for i, (before, after) in enumerate(zip(inputs, channels, strict=True))
        ]
        self.norms = [BatchNorm2D(c, data_format=data_format) for c in channels[1:]]
        self.score = Linear(SMALLEST**2 * channels[-1], 1, w_init=w_init, rng_key=next(layer_keys))

    def __call__(self, x: Float[ArrayLike, "B *C_H_W"]) -> Float[Array, "B"]:
        """Scores images.

        Args:
            x: images in the network's data format, floating.
        Returns:
            The logit of each image being a real one, shape [B], the dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank, number of channels, height or width.
            PurityError: in training mode outside `pax.pure`.
        """
        images.check_size(self, x, self.data_format, (self.image_size, self.image_size))
        first, *others = self.convs
        y = jax.nn.leaky_relu(first(x), LEAK)
        for conv, norm in zip(others, self.norms, strict=True):
            y = jax.nn.leaky_relu(norm(conv(y)), LEAK)
        y = images.to_channels_last(y, self.data_format)
        return self.score(y.reshape(len(y), self.score.in_dim))[:, 0]

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_channels": self.input_channels,
                "image_size": self.image_size,
                "data_format": self.data_format,
            }
        )


def _channels(network: str, image_size: int, base_channels: int) -> list[int]:
    """Returns the numbers of channels from the largest features, half an image, to the smallest."""
    arguments.sizes(network, image_size=image_size, base_channels=base_channels)
    halvings = (image_size // SMALLEST).bit_length() - 1
    if halvings < 1 or image_size != SMALLEST * 2**halvings:
        raise ArgumentError(
            f"{network} got image_size={image_size}; expected 4 times a power of 2, of at least 8.",
            "resize the images to 32 or 64, and write image_size=64.",
        )
    return [base_channels * 2**i for i in range(halvings)]
