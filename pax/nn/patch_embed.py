"""Images as sequences of patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from pax._core import Module, ShapeError, arguments
from pax.nn import given
from pax.nn.convolution import Conv2D


class PatchEmbed(Module):
    """Cuts images into patches that do not overlap, and maps each to a vector.

    y[n] = W p[n] + b, with p[n] all numbers of patch n. Patches go from left to right, then from
    top to bottom. The layer holds a convolution whose kernel and stride are the patch.

    Args:
        in_features: number of channels of the images.
        embed_dim: D, size of each vector.
        patch_size: height and width of a patch, one integer or two; they divide those of the image.
        with_bias: whether b is added.
        w_init: draws W as `w_init(rng_key, shape)`, shape [height, width, in_features, D]; by
            default as in `pax.Conv2D`.
        b_init: draws b; zeros by default.
        data_format: "NHWC" (batch, height, width, channels) or "NCHW".
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> pax.PatchEmbed(3, 8, 16)(jnp.ones((2, 32, 48, 3))).shape
        (2, 6, 8)
    Source: Dosovitskiy et al., "An image is worth 16x16 words", 2020 (arXiv 2010.11929).
    """

    projection: Conv2D

    def __init__(
        self,
        in_features: int,
        embed_dim: int,
        patch_size: int | Sequence[int],
        *,
        with_bias: bool = True,
        w_init: arguments.Initializer | None = None,
        b_init: arguments.Initializer | None = None,
        data_format: str = "NHWC",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("PatchEmbed", in_features=in_features, embed_dim=embed_dim)
        arguments.flags("PatchEmbed", with_bias=with_bias)
        arguments.one_of("PatchEmbed", "data_format", data_format, ("NHWC", "NCHW"))
        arguments.initializer("PatchEmbed", "w_init", w_init)
        arguments.initializer("PatchEmbed", "b_init", b_init)
        self.in_features = in_features
        self.embed_dim = embed_dim
        self.patch_size = arguments.size_tuple("PatchEmbed", "patch_size", patch_size, 2)
        self.data_format = data_format
        self.projection = Conv2D(
            in_features,
            embed_dim,
            self.patch_size,
            stride=self.patch_size,
            padding="VALID",
            with_bias=with_bias,
            w_init=w_init,
            b_init=b_init,
            data_format=data_format,
            rng_key=rng_key,
        )

    def __call__(self, x: Float[ArrayLike, "B *H_W_C"]) -> Float[Array, "B N {self.embed_dim}"]:
        """Embeds the patches of images.

        Args:
            x: images in the layer's data format, floating.
        Returns:
            Shape [B, N, D], N the number of patches of an image; dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank or number of channels, or a patch does not divide
                height and width.
        """
        x = given.floating(self, x)
        given.channels(self, x, self.data_format, self.in_features, "in_features")
        height, width = (x.shape[self.data_format.index(axis)] for axis in "HW")
        if height % self.patch_size[0] or width % self.patch_size[1]:
            raise ShapeError(
                f"{self!r} got images of {height} x {width}, of which {self.patch_size} is no "
                "part.",
                "resize or pad the images to a multiple of the patch.",
            )
        y = self.projection(x)
        if self.data_format == "NCHW":
            y = jnp.moveaxis(y, 1, -1)
        return y.reshape(len(y), y.shape[1] * y.shape[2], self.embed_dim)

    def __repr__(self) -> str:
        return self._repr(
            {
                "in_features": self.in_features,
                "embed_dim": self.embed_dim,
                "patch_size": self.patch_size,
                "data_format": self.data_format,
            }
        )
