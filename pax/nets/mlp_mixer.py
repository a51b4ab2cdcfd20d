"""A network over images that is made of dense layers alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
import pax.initializers as initializers
from pax._core import ArgumentError, Module, arguments
from pax.nets import images, keys
from pax.nets.parts import FORMATS
from pax.nn import MLP, Conv2D, LayerNorm, Linear

#: The epsilon of the authors' program, for all norms.
EPS = 1e-6


class MLPMixer(Module):
    """An MLP-Mixer: images in, one score for each class out.

    The image is cut into patches, and each becomes a vector of size D, a token. Then, in each
    layer, x <- x + f(norm(x)) along the tokens, and x <- x + g(norm(x)) along the vectors, with f
    and g two dense layers and gelu (its tanh approximation) between them. At the end norm(x), the
    mean of the tokens, and a dense layer whose weights start at zero. The sizes are by default
    those of S/16.

    Args:
        input_channels: C, number of channels of the images.
        num_classes: number of scores.
        image_size: height and width of the images, one integer or two.
        patch_size: height and width of a patch, likewise; they divide those of the image.
        dim: D, size of the vectors.
        num_layers: number of layers.
        tokens_dim: width inside f.
        channels_dim: width inside g.
        data_format: "NCHW" (batch, channels, height, width) or "NHWC".
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> sizes = {"dim": 8, "num_layers": 2, "tokens_dim": 4, "channels_dim": 16}
        >>> net = pax.nets.MLPMixer(3, 10, image_size=32, patch_size=8, **sizes)
        >>> net(jnp.ones((2, 3, 32, 32))).shape
        (2, 10)
    Source: Tolstikhin et al., "MLP-Mixer: an all-MLP architecture for vision", 2021
        (arXiv 2105.01601).
    """

    stem: Conv2D
    blocks: list[MixerBlock]
    norm: LayerNorm
    logits: Linear

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        *,
        image_size: int | Sequence[int] = 224,
        patch_size: int | Sequence[int] = 16,
        dim: int = 512,
        num_layers: int = 8,
        tokens_dim: int = 256,
        channels_dim: int = 2048,
        data_format: str = "NCHW",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes(
            "MLPMixer",
            input_channels=input_channels,
            num_classes=num_classes,
            dim=dim,
            num_layers=num_layers,
            tokens_dim=tokens_dim,
            channels_dim=channels_dim,
        )
        height, width = arguments.size_tuple("MLPMixer", "image_size", image_size, 2)
        patch = arguments.size_tuple("MLPMixer", "patch_size", patch_size, 2)
        arguments.one_of("MLPMixer", "data_format", data_format, FORMATS)
        if height % patch[0] or width % patch[1]:
            raise ArgumentError(
                f"MLPMixer got patch_size={patch_size!r}, which does not divide "
                f"image_size={image_size!r}.",
                "choose a patch that divides height and width, or pad the images.",
            )
        self.input_channels = input_channels
        self.num_classes = num_classes
        self.image_size = height, width
        self.data_format = data_format
        layer_keys = keys.for_layers(rng_key)
        self.stem = Conv2D(
            input_channels,
            dim,
            patch,
            stride=patch,
            padding="VALID",
            data_format=data_format,
            rng_key=next(layer_keys),
        )
        num_tokens = (height // patch[0]) * (width // patch[1])
        self.blocks = [
            MixerBlock(num_tokens, dim, tokens_dim, channels_dim, layer_keys)
            for _ in range(num_layers)
        ]
        self.norm = LayerNorm(dim, -1, True, True, EPS)
        self.logits = Linear(dim, num_classes, w_init=initializers.zeros, rng_key=next(layer_keys))

    def __call__(self, x: Float[ArrayLike, "B *C_H_W"]) -> Float[Array, "B num_classes"]:
        """Scores images.

        Args:
            x: images in the network's data format, floating.
        Returns:
            Shape [B, num_classes], the dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank, number of channels, height or width.
        """
        images.check_size(self, x, self.data_format, self.image_size)
        y = images.to_channels_last(self.stem(x), self.data_format)
        y = y.reshape(len(y), y.shape[1] * y.shape[2], y.shape[3])  # [B, tokens, D]
        for block in self.blocks:
            y = block(y)
        return self.logits(self.norm(y).mean(axis=1))

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_channels": self.input_channels,
                "num_classes": self.num_classes,
                "image_size": self.image_size,
                "patch_size": self.stem.kernel_shape,
                "num_layers": len(self.blocks),
                "data_format": self.data_format,
            }
        )


class MixerBlock(Module):
    """Mixes tokens, then channels."""

    norm1: LayerNorm
    tokens: MLP
    norm2: LayerNorm
    channels: MLP

    def __init__(
        self,
        num_tokens: int,
        dim: int,
        tokens_dim: int,
        channels_dim: int,
        layer_keys: Iterator[Any],
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim, -1, True, True, EPS)
        self.tokens = _mlp(num_tokens, tokens_dim, layer_keys)
        self.norm2 = LayerNorm(dim, -1, True, True, EPS)
        self.channels = _mlp(dim, channels_dim, layer_keys)

    def __call__(self, x: Array) -> Array:
        """Applies the block to x, shape [B, tokens, D]."""
        x = x + self.tokens(self.norm1(x).swapaxes(1, 2)).swapaxes(1, 2)
        return x + self.channels(self.norm2(x))


def _mlp(dim: int, inside: int, layer_keys: Iterator[Any]) -> MLP:
    return MLP((dim, inside, dim), F.gelu, rng_key=next(layer_keys))
