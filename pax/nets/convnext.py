"""A convolutional network over images, built like a vision Transformer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
import pax.initializers as initializers
from pax._core import Module, ParameterModule, arguments
from pax.nets import dropping, images, keys, per_group
from pax.nets.parts import FORMATS
from pax.nn import MLP, Conv2D, LayerNorm, Linear, RngSeq

EPS = 1e-6
#: What a block adds starts this small.
LAYER_SCALE = 1e-6
#: The dense layers of a block are this many times as wide inside.
WIDENING = 4
W_INIT = initializers.truncated_normal(stddev=0.02)


class ConvNeXt(Module):
    """A ConvNeXt: images in, one score for each class out; by default the tiny one.

    A 4x4 convolution of stride 4 and norm; groups of blocks, which begin, but for the first, with
    norm and a 2x2 convolution of stride 2; the mean over space, norm and a dense layer. A block
    is x + s * fc2(gelu(fc1(norm(c(x))))), with c a 7x7 convolution in each channel apart, fc1
    widening to 4 times the channels, and s a trainable scale for each channel, 1e-6 at first.
    Norms are over the channels. Kernels and weights start with deviation 0.02, cut at two of it.

    Args:
        input_channels: C, number of channels of the images.
        num_classes: number of scores.
        blocks_per_group: number of blocks in each group.
        channels_per_group: number of channels of each group.
        drop_path_rate: probability, in [0, 1), that while training an image skips the last block;
            it grows to this in equal steps from 0 at the first. The keys come from `rng_seq`.
        data_format: "NCHW" (batch, channels, height, width) or "NHWC", of the images; inside the
            channels are always last.
        rng_key: random key of the initial values and of `rng_seq`; by default keys of
            `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> make = lambda key: pax.nets.ConvNeXt(3, 1000, rng_key=key)
        >>> net = jax.eval_shape(make, jax.random.key(0))
        >>> sum(x.size for x in jax.tree.leaves(net.parameters()))
        28589128
    Source: Liu et al., "A ConvNet for the 2020s", 2022 (arXiv 2201.03545).
    """

    rng_seq: RngSeq
    stem: Conv2D
    stem_norm: LayerNorm
    groups: list[Group]
    norm: LayerNorm
    logits: Linear

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        *,
        blocks_per_group: Sequence[int] = (3, 3, 9, 3),
        channels_per_group: Sequence[int] = (96, 192, 384, 768),
        drop_path_rate: float = 0.1,
        data_format: str = "NCHW",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("ConvNeXt", input_channels=input_channels, num_classes=num_classes)
        arguments.one_of("ConvNeXt", "data_format", data_format, FORMATS)
        blocks = per_group.size_list("ConvNeXt", "blocks_per_group", blocks_per_group)
        channels = per_group.size_list(
            "ConvNeXt", "channels_per_group", channels_per_group, len(blocks)
        )
        self.input_channels = input_channels
        self.num_classes = num_classes
        self.blocks_per_group = blocks
        self.channels_per_group = channels
        self.drop_path_rate = arguments.rate(
            "ConvNeXt", "drop_path_rate", drop_path_rate, may_be_one=False
        )
        self.data_format = data_format
        layer_keys = keys.for_layers(rng_key)
        self.rng_seq = RngSeq(rng_key=next(layer_keys))
        self.stem = _shrinking(input_channels, channels[0], 4, data_format, layer_keys)
        self.stem_norm = _norm(channels[0])
        before = (None, *channels[:-1])
        self.groups = [
            Group(*sizes, layer_keys) for sizes in zip(blocks, before, channels, strict=True)
        ]
        self.norm = _norm(channels[-1])
        self.logits = Linear(channels[-1], num_classes, w_init=W_INIT, rng_key=next(layer_keys))

    def __call__(self, x: Float[ArrayLike, "B *C_H_W"]) -> Float[Array, "B num_classes"]:
        """Scores images.

        Args:
            x: images in the network's data format, floating.
        Returns:
            Shape [B, num_classes], the dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank or number of channels, or is too small to be
                shrunk so often.
            PurityError: in training mode outside `pax.pure`, unless drop_path_rate is 0.
        """
        y = self.stem_norm(images.to_channels_last(self.stem(x), self.data_format))
        n = sum(self.blocks_per_group)
        drops = [(F.drop_path, self.drop_path_rate * i / max(1, n - 1)) for i in range(n)]
        drop_paths = iter(dropping.functions(self.rng_seq, drops, training=self.training))
        for group in self.groups:
            y = group(y, drop_paths)
        return self.logits(self.norm(y.mean(axis=(1, 2))))

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_channels": self.input_channels,
                "num_classes": self.num_classes,
                "blocks_per_group": self.blocks_per_group,
                "channels_per_group": self.channels_per_group,
                "data_format": self.data_format,
            }
        )


class Group(Module):
    """Half of height and width, but in the first group, then blocks one after the other."""

    downsample_norm: LayerNorm | None
    downsample: Conv2D | None
    blocks: list[Block]

    def __init__(
        self, num_blocks: int, before: int | None, channels: int, layer_keys: Iterator[Any]
    ) -> None:
        super().__init__()
        self.downsample_norm = self.downsample = None
        if before is not None:
            self.downsample_norm = _norm(before)
            self.downsample = _shrinking(before, channels, 2, "NHWC", layer_keys)
        self.blocks = [Block(channels, layer_keys) for _ in range(num_blocks)]

    def __call__(self, x: Array, drop_paths: Iterator[Callable[[Array], Array]]) -> Array:
        """Applies the group to x, shape [B, H, W, C]."""
        if self.downsample is not None and self.downsample_norm is not None:
            x = self.downsample(self.downsample_norm(x))
        for block in self.blocks:
            x = block(x, next(drop_paths))
        return x


class Block(ParameterModule):
    """x + scale * mlp(norm(conv(x)))."""

    conv: Conv2D
    norm: LayerNorm
    mlp: MLP
    scale: Float[Array, "C"]

    def __init__(self, channels: int, layer_keys: Iterator[Any]) -> None:
        super().__init__()
        self.conv = Conv2D(
            channels,
            channels,
            7,
            w_init=W_INIT,
            feature_group_count=channels,
            rng_key=next(layer_keys),
        )
        self.norm = _norm(channels)
        dims = channels, WIDENING * channels, channels
        self.mlp = MLP(dims, gelu, w_init=W_INIT, rng_key=next(layer_keys))
        self.scale = initializers.constant(LAYER_SCALE)(None, (channels,))

    def __call__(self, x: Array, drop: Callable[[Array], Array]) -> Array:
        """Applies the block to x, shape [B, H, W, C]; `drop` drops what it would add."""
        y = self.mlp(self.norm(self.conv(x)))
        return x + drop(y * self.scale.astype(y.dtype)[None, None, None]).astype(x.dtype)


def gelu(x: Array) -> Array:
    """Returns x times the normal distribution function of x."""
    return F.gelu(x, approximate=False)


def _norm(channels: int) -> LayerNorm:
    return LayerNorm(channels, -1, True, True, EPS)


def _shrinking(
    before: int, after: int, size: int, data_format: str, layer_keys: Iterator[Any]
) -> Conv2D:
    """Returns a convolution whose windows touch and do not overlap."""
    return Conv2D(
        before,
        after,
        size,
        stride=size,
        padding="VALID",
        w_init=W_INIT,
        data_format=data_format,
        rng_key=next(layer_keys),
    )
