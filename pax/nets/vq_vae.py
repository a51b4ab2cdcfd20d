"""An autoencoder of images whose code is a grid of integers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
from jaxtyping import Array, ArrayLike, Float, Int32, Integer

import pax.functional as F
from pax._core import Module, arguments
from pax.nets import images, keys
from pax.nets.parts import FORMATS
from pax.nets.vector_quantizer import VectorQuantizer
from pax.nn import Conv2D, Conv2DTranspose

#: One place of the code stands for this many places of the image, in height and width.
SHRINKING = 4


class VQVAE(Module):
    """An autoencoder of images with a discrete code: a VQ-VAE.

    The encoder: two convolutions 4x4 of stride 2, relu between them; residual blocks
    x + conv1x1(relu(conv3x3(relu(x)))); relu; and a convolution 1x1 to vectors of size D. A
    `VectorQuantizer` puts vectors of its codebook in their places. The decoder: a convolution
    3x3, residual blocks, relu, two transposed convolutions 4x4 of stride 2, relu between them.

    Args:
        input_channels: C, number of channels of the images.
        num_codes: K, number of vectors in the codebook.
        code_dim: D, size of each vector.
        hidden_channels: number of channels inside.
        residual_channels: number of channels inside a residual block.
        num_blocks: number of residual blocks on either side.
        decay_rate: weight of the past in the averages that the codebook is made of.
        data_format: "NCHW" (batch, channels, height, width) or "NHWC".
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> net = pax.nets.VQVAE(3, num_codes=16, code_dim=4, hidden_channels=8)
        >>> x = jax.random.normal(jax.random.key(0), (2, 3, 8, 8))
        >>> net, (y, codes, commitment) = jax.jit(pax.purecall)(net, x)
        >>> y.shape, codes.shape
        ((2, 3, 8, 8), (2, 2, 2))
        >>> loss = ((y - x) ** 2).mean() + 0.25 * commitment.mean()
    Source: van den Oord et al., "Neural discrete representation learning", 2017
        (arXiv 1711.00937).
    """

    encoder: Encoder
    quantizer: VectorQuantizer
    decoder: Decoder

    def __init__(
        self,
        input_channels: int,
        *,
        num_codes: int = 512,
        code_dim: int = 64,
        hidden_channels: int = 256,
        residual_channels: int = 256,
        num_blocks: int = 2,
        decay_rate: float = 0.99,
        data_format: str = "NCHW",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes(
            "VQVAE",
            input_channels=input_channels,
            hidden_channels=hidden_channels,
            residual_channels=residual_channels,
        )
        arguments.integer("VQVAE", "num_blocks", num_blocks, 0)
        arguments.one_of("VQVAE", "data_format", data_format, FORMATS)
        self.input_channels = input_channels
        self.data_format = data_format
        layer_keys = keys.for_layers(rng_key)
        inside = hidden_channels, residual_channels, num_blocks, data_format, layer_keys
        self.encoder = Encoder(input_channels, code_dim, *inside)
        self.quantizer = VectorQuantizer(
            num_codes, code_dim, decay_rate=decay_rate, rng_key=next(layer_keys)
        )
        self.decoder = Decoder(code_dim, input_channels, *inside)

    def __call__(
        self, x: Float[ArrayLike, "B *C_H_W"]
    ) -> tuple[Float[Array, "B *C_H_W"], Int32[Array, "B I J"], Float[Array, "B I J"]]:
        """Encodes images and decodes them; while training the codebook follows.

        Args:
            x: images in the network's data format, floating; height and width are multiples of 4.
        Returns:
            The images again, like x; their codes, shape [B, H / 4, W / 4]; and the commitment
            loss of each code, of that shape too, see `VectorQuantizer`.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank or number of channels, or 4 does not divide its
                height and width.
            PurityError: in training mode outside `pax.pure`.
        """
        y, codes, loss = self.quantizer(self._encoded(x))
        return self._decoded(y), codes, loss

    def encode(self, x: Float[ArrayLike, "B *C_H_W"]) -> Int32[Array, "B I J"]:
        """Returns the codes of images; nothing changes.

        Args:
            x: images, as for a call.
        Returns:
            Places in the codebook, shape [B, H / 4, W / 4].
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank or number of channels, or 4 does not divide its
                height and width.
        """
        return self.quantizer.nearest(self._encoded(x))

    def decode(self, codes: Integer[ArrayLike, "B I J"]) -> Float[Array, "B *C_H_W"]:
        """Returns the images of codes, such as a model of codes draws them.

        Args:
            codes: places in the codebook, shape [B, I, J].
        Returns:
            Images in the network's data format, of height 4 I and width 4 J.
        Raises:
            DtypeError: if codes is not an array of integers.
        """
        return self._decoded(F.embed(codes, self.quantizer.codebook))

    def _encoded(self, x: Any) -> Array:
        """Returns the vectors of images, [B, I, J, D]."""
        images.check_divisible(self, x, self.data_format, SHRINKING)
        return images.to_channels_last(self.encoder(x), self.data_format)

    def _decoded(self, y: Array) -> Array:
        """Returns the images of vectors [B, I, J, D]."""
        return self.decoder(images.from_channels_last(y, self.data_format))

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_channels": self.input_channels,
                "num_codes": self.quantizer.num_codes,
                "code_dim": self.quantizer.code_dim,
                "data_format": self.data_format,
            }
        )


class ResidualBlock(Module):
    """x + conv1x1(relu(conv3x3(relu(x))))."""

    conv1: Conv2D
    conv2: Conv2D

    def __init__(
        self, channels: int, inside: int, data_format: str, layer_keys: Iterator[Any]
    ) -> None:
        super().__init__()
        conv = partial(Conv2D, data_format=data_format)
        self.conv1 = conv(channels, inside, 3, rng_key=next(layer_keys))
        self.conv2 = conv(inside, channels, 1, rng_key=next(layer_keys))

    def __call__(self, x: Array) -> Array:
        """Applies the block to images x."""
        return x + self.conv2(jax.nn.relu(self.conv1(jax.nn.relu(x))))


class Encoder(Module):
    """A quarter of height and width, residual blocks, then vectors of the size wanted."""

    convs: list[Conv2D]
    blocks: list[ResidualBlock]
    last: Conv2D

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int,
        inside: int,
        num_blocks: int,
        data_format: str,
        layer_keys: Iterator[Any],
    ) -> None:
        super().__init__()
        conv = partial(Conv2D, data_format=data_format)
        pads = [(1, 1), (1, 1)]
        self.convs = [
            conv(c, hidden, 4, stride=2, padding=pads, rng_key=next(layer_keys))
            for c in (inputs, hidden)
        ]
        self.blocks = [
            ResidualBlock(hidden, inside, data_format, layer_keys) for _ in range(num_blocks)
        ]
        self.last = conv(hidden, outputs, 1, rng_key=next(layer_keys))

    def __call__(self, x: Float[ArrayLike, "B *C_H_W"]) -> Array:
        """Encodes images x."""
        y = self.convs[1](jax.nn.relu(self.convs[0](x)))
        for block in self.blocks:
            y = block(y)
        return self.last(jax.nn.relu(y))


class Decoder(Module):
    """Residual blocks, then four times height and width."""

    first: Conv2D
    blocks: list[ResidualBlock]
    convs: list[Conv2DTranspose]

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int,
        inside: int,
        num_blocks: int,
        data_format: str,
        layer_keys: Iterator[Any],
    ) -> None:
        super().__init__()
        conv = partial(Conv2DTranspose, data_format=data_format)
        self.first = Conv2D(inputs, hidden, 3, data_format=data_format, rng_key=next(layer_keys))
        self.blocks = [
            ResidualBlock(hidden, inside, data_format, layer_keys) for _ in range(num_blocks)
        ]
        self.convs = [
            conv(hidden, c, 4, stride=2, rng_key=next(layer_keys)) for c in (hidden, outputs)
        ]

    def __call__(self, y: Array) -> Array:
        """Decodes vectors y."""
        y = self.first(y)
        for block in self.blocks:
            y = block(y)
        return self.convs[1](jax.nn.relu(self.convs[0](jax.nn.relu(y))))
