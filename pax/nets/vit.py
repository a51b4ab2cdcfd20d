"""A transformer over the patches of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

import pax.initializers as initializers
from pax._core import ArgumentError, ParameterModule, arguments
from pax.nets import images, keys
from pax.nets.activations import exact_gelu
from pax.nets.parts import FORMATS
from pax.nn import Dropout, LayerNorm, Linear, PatchEmbed, PositionEmbed, TransformerEncoder

#: The epsilon of the authors' program, for all norms.
EPS = 1e-6


class ViT(ParameterModule):
    """A Vision Transformer: images in, one score for each class out.

    Patches become vectors, before them stands one more, `class_token`, and each place adds a
    trainable vector of its own. After the blocks, which have their norms first and the exact gelu,
    and a last norm, a dense layer scores the classes from the place of the class token; its weights
    start at zero. The sizes are by default those of B/16.

    Args:
        input_channels: C, number of channels of the images.
        num_classes: number of scores.
        image_size: height and width of the images, one integer or two.
        patch_size: height and width of a patch, likewise; they divide those of the image.
        dim: D, size of the vectors.
        num_heads: number of attention heads; it divides dim.
        num_layers: number of blocks.
        hidden_dim: width inside the dense blocks; 4 D by default.
        dropout_rate: as in `pax.TransformerBlock`; also after the positions are added.
        data_format: "NCHW" (batch, channels, height, width) or "NHWC".
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> sizes = {"dim": 8, "num_heads": 2, "num_layers": 2}
        >>> net = pax.nets.ViT(3, 10, image_size=32, patch_size=8, **sizes)
        >>> net(jnp.ones((2, 3, 32, 32))).shape
        (2, 10)
    Source: Dosovitskiy et al., "An image is worth 16x16 words", 2020 (arXiv 2010.11929).
    """

    patches: PatchEmbed
    class_token: Float[Array, "dim"]
    positions: PositionEmbed
    dropout: Dropout | None
    encoder: TransformerEncoder
    logits: Linear

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        *,
        image_size: int | Sequence[int] = 224,
        patch_size: int | Sequence[int] = 16,
        dim: int = 768,
        num_heads: int = 12,
        num_layers: int = 12,
        hidden_dim: int | None = None,
        dropout_rate: float = 0.0,
        data_format: str = "NCHW",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("ViT", input_channels=input_channels, num_classes=num_classes, dim=dim)
        height, width = arguments.size_tuple("ViT", "image_size", image_size, 2)
        patch = arguments.size_tuple("ViT", "patch_size", patch_size, 2)
        arguments.one_of("ViT", "data_format", data_format, FORMATS)
        rate = arguments.rate("ViT", "dropout_rate", dropout_rate, may_be_one=False)
        if height % patch[0] or width % patch[1]:
            raise ArgumentError(
                f"ViT got patch_size={patch_size!r}, which does not divide "
                f"image_size={image_size!r}.",
                "choose a patch that divides height and width, or pad the images.",
            )
        self.input_channels = input_channels
        self.num_classes = num_classes
        self.image_size = height, width
        self.data_format = data_format
        layer_keys = keys.for_layers(rng_key)
        self.patches = PatchEmbed(
            input_channels, dim, patch, data_format=data_format, rng_key=next(layer_keys)
        )
        self.class_token = initializers.zeros(None, (dim,))
        num_places = (height // patch[0]) * (width // patch[1]) + 1
        self.positions = PositionEmbed(num_places, dim, rng_key=next(layer_keys))
        self.dropout = Dropout(rate) if rate > 0 else None
        self.encoder = TransformerEncoder(
            dim,
            num_heads,
            num_layers,
            hidden_dim=hidden_dim,
            activation=exact_gelu,
            norm=lambda dim: LayerNorm(dim, -1, True, True, EPS),
            dropout_rate=rate,
            rng_key=next(layer_keys),
        )
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
            PurityError: in training mode with dropout, outside `pax.pure`.
        """
        images.check_size(self, x, self.data_format, self.image_size)
        y = self.patches(x)  # [B, N, D]
        first = jnp.broadcast_to(
            self.class_token.astype(y.dtype)[None, None], (len(y), 1, y.shape[-1])
        )
        y = self.positions(jnp.concatenate([first, y], axis=1))
        y = y if self.dropout is None else self.dropout(y)
        return self.logits(self.encoder(y)[:, 0])

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_channels": self.input_channels,
                "num_classes": self.num_classes,
                "image_size": self.image_size,
                "patch_size": self.patches.patch_size,
                "num_layers": self.encoder.num_layers,
                "data_format": self.data_format,
            }
        )
