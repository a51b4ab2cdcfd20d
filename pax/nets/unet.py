"""A network from image to image that is told the time, as diffusion needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Num

import pax.functional as F
import pax.initializers as initializers
from pax._core import ArgumentError, Module, ShapeError, arguments
from pax.nets import dropping, images, keys, per_group
from pax.nets.parts import FORMATS
from pax.nets.unet_blocks import Block, Down, Parts, Up
from pax.nn import MLP, Conv2D, GroupNorm, RngSeq

#: The vector that stands for the time is this many times as wide as the first features.
WIDENING = 4


class UNet(Module):
    """A U-Net with time embedding: images in, images of the same size out.

    On the way down, levels of residual blocks, between them a 3x3 convolution of stride 2; in the
    middle two blocks; on the way up the same levels with one block more, each of which also sees
    what a layer of the way down gave at its size, between them each pixel four times and a 3x3
    convolution. A block is x + conv(silu(norm(conv(silu(norm(x))) + t))) with 3x3 convolutions,
    group norms, and t a dense layer of the silu of the time's vector, which is two dense layers of
    sin(f time) and cos(f time), the frequencies f from 1 to 1 / 10000. Attention of one head over
    all places follows the first block of the middle, and all blocks of some levels. The last
    convolution, and what blocks and attention add, starts at zero.

    Args:
        input_channels: number of channels of the images.
        output_channels: number of channels of what comes out; by default as many.
        base_channels: number of channels of the first features, even and at least 4.
        channel_multipliers: for each level from the largest size to the smallest, its number of
            channels over base_channels.
        blocks_per_level: number of blocks of a level on the way down.
        attention_levels: the levels whose blocks attend, counted from 0, the largest size.
        groups: number of groups of every norm; it divides base_channels.
        dropout_rate: probability, in [0, 1), that while training an element becomes zero before
            the second convolution of a block. The keys come from `rng_seq`.
        data_format: "NCHW" (batch, channels, height, width) or "NHWC", of the images; inside the
            channels are always last.
        rng_key: random key of the initial values and of `rng_seq`; by default keys of
            `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> sizes = {"base_channels": 8, "channel_multipliers": (1, 2), "blocks_per_level": 1}
        >>> net = pax.nets.UNet(3, groups=4, **sizes)
        >>> jax.jit(net)(jnp.ones((2, 3, 16, 16)), time=jnp.array([10, 500])).shape
        (2, 3, 16, 16)
    Source: Ho et al., "Denoising diffusion probabilistic models", 2020 (arXiv 2006.11239), whose
        network for CIFAR-10 has the default sizes and a dropout_rate of 0.1; Ronneberger et al.,
        "U-Net: convolutional networks for biomedical image segmentation", 2015
        (arXiv 1505.04597).
    """

    rng_seq: RngSeq
    time_mlp: MLP
    stem: Conv2D
    down: list[Down]
    middle: list[Block]
    up: list[Up]
    norm: GroupNorm
    head: Conv2D

    def __init__(
        self,
        input_channels: int,
        output_channels: int | None = None,
        *,
        base_channels: int = 128,
        channel_multipliers: Sequence[int] = (1, 2, 2, 2),
        blocks_per_level: int = 2,
        attention_levels: Sequence[int] = (1,),
        groups: int = 32,
        dropout_rate: float = 0.0,
        data_format: str = "NCHW",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        output_channels = input_channels if output_channels is None else output_channels
        arguments.sizes(
            "UNet",
            input_channels=input_channels,
            output_channels=output_channels,
            base_channels=base_channels,
            blocks_per_level=blocks_per_level,
            groups=groups,
        )
        multipliers = per_group.size_list("UNet", "channel_multipliers", channel_multipliers)
        _check_sizes(base_channels, groups, attention_levels, len(multipliers))
        arguments.one_of("UNet", "data_format", data_format, FORMATS)
        self.input_channels = input_channels
        self.output_channels = output_channels
        self.base_channels = base_channels
        self.channel_multipliers = multipliers
        self.dropout_rate = arguments.rate("UNet", "dropout_rate", dropout_rate, may_be_one=False)
        self.data_format = data_format
        layer_keys = keys.for_layers(rng_key)
        condition_dim = WIDENING * base_channels
        parts = Parts(groups, condition_dim, layer_keys)
        self.rng_seq = RngSeq(rng_key=next(layer_keys))
        dims = base_channels, condition_dim, condition_dim
        self.time_mlp = MLP(dims, jax.nn.silu, rng_key=next(layer_keys))
        self.stem = parts.conv(input_channels, base_channels, data_format=data_format)
        channels = [base_channels * m for m in multipliers]
        attends = [level in attention_levels for level in range(len(channels))]
        self.down, sizes = _way_down(base_channels, channels, blocks_per_level, attends, parts)
        lowest = channels[-1]
        self.middle = [Block(lowest, lowest, attend, parts) for attend in (True, False)]
        self.up = _way_up(sizes, channels, blocks_per_level, attends, parts)
        self.norm = parts.norm(channels[0])
        self.head = parts.conv(channels[0], output_channels, w_init=initializers.zeros)

    def __call__(
        self,
        x: Float[ArrayLike, "B *C_H_W"],
        time: Num[ArrayLike, "B"],
        condition: Float[ArrayLike, "B D"] | None = None,
    ) -> Float[Array, "B *O_H_W"]:
        """Turns images at some time into others.

        Args:
            x: images in the network's data format, floating; the number of levels says how often
                height and width can be halved.
            time: one number for each image, shape [B]; the embedding is made for 0 to about 1000.
            condition: what else the blocks are told, such as the vector of a class: it is added
                to that of the time, shape [B, 4 base_channels].
        Returns:
            Images like x, with output_channels channels.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank or number of channels, a size that cannot be halved
                so often, or time or condition has another shape than these.
            PurityError: in training mode outside `pax.pure`, unless dropout_rate is 0.
        """
        images.check_divisible(self, x, self.data_format, 2 ** (len(self.down) - 1))
        h = images.to_channels_last(self.stem(x), self.data_format)
        told = self._told(len(h), time, condition, h.dtype)
        n = sum(len(level.blocks) for level in (*self.down, *self.up)) + len(self.middle)
        drops = [(F.dropout, self.dropout_rate)] * n
        drops = iter(dropping.functions(self.rng_seq, drops, training=self.training))
        links = [h]
        for level in self.down:
            links += level(links[-1], told, drops)
        h = links[-1]
        for block in self.middle:
            h = block(h, told, next(drops))
        for level in self.up:
            left = len(links) - len(level.blocks)
            h, links = level(h, links[left:], told, drops), links[:left]
        y = self.head(jax.nn.silu(self.norm(h)))
        return images.from_channels_last(y, self.data_format)

    def _told(self, batch: int, time: Any, condition: Any, dtype: Any) -> Array:
        """Returns the vectors that the blocks are told."""
        shape = (batch, WIDENING * self.base_channels)
        if np.shape(time) != (batch,):
            raise ShapeError(
                f"{self!r} got time of shape {np.shape(time)} with {batch} images; expected "
                f"({batch},).",
                "give one time for each image: jnp.full(len(x), time).",
            )
        if condition is not None and np.shape(condition) != shape:
            raise ShapeError(
                f"{self!r} got condition of shape {np.shape(condition)}; expected {shape}.",
                f"make vectors of it first: pax.Embed(num_classes, {shape[1]})(labels).",
            )
        # in float32 at least: bfloat16 has no number between 512 and 516
        wide = jnp.asarray(time).astype(np.float64 if dtype == np.float64 else np.float32)
        waves = F.sinusoidal_embed(wide, self.base_channels, convention="diffusion").astype(dtype)
        told = self.time_mlp(waves)
        if condition is not None:
            told = told + jnp.asarray(condition, told.dtype)
        return jax.nn.silu(told)

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_channels": self.input_channels,
                "output_channels": self.output_channels,
                "base_channels": self.base_channels,
                "channel_multipliers": self.channel_multipliers,
                "data_format": self.data_format,
            }
        )


def _way_down(
    before: int, channels: list[int], num_blocks: int, attends: list[bool], parts: Parts
) -> tuple[list[Down], list[int]]:
    """Returns the levels, and the number of channels of each link from there to the way up."""
    levels, links = [], [before]
    for level, (after, attend) in enumerate(zip(channels, attends, strict=True)):
        blocks = [
            Block(before if i == 0 else after, after, attend, parts) for i in range(num_blocks)
        ]
        is_last = level == len(channels) - 1
        resize = None if is_last else parts.conv(after, after, stride=2)
        levels.append(Down(blocks, resize))
        links += [after] * (num_blocks + (not is_last))
        before = after
    return levels, links


def _way_up(
    links: list[int], channels: list[int], num_blocks: int, attends: list[bool], parts: Parts
) -> list[Up]:
    """Returns the levels, from the smallest size to the largest."""
    levels, before = [], channels[-1]
    for level in reversed(range(len(channels))):
        blocks = []
        for _ in range(num_blocks + 1):
            blocks.append(Block(before + links.pop(), channels[level], attends[level], parts))
            before = channels[level]
        levels.append(Up(blocks, parts.conv(before, before) if level else None))
    return levels


def _check_sizes(base_channels: int, groups: int, attention_levels: Any, levels: int) -> None:
    if base_channels % 2 or base_channels < 4:
        raise ArgumentError(
            f"UNet got base_channels={base_channels}; expected an even number of at least 4, half "
            "for the sines and half for the cosines of the time.",
            "write base_channels=32.",
        )
    if base_channels % groups:
        raise ArgumentError(
            f"UNet got groups={groups}, which does not divide base_channels={base_channels}.",
            "choose a number of groups that divides base_channels.",
        )
    is_list = isinstance(attention_levels, Sequence) and not isinstance(attention_levels, str)
    if not is_list or not all(arguments.is_int(i) and i in range(levels) for i in attention_levels):
        raise ArgumentError(
            f"UNet got attention_levels={attention_levels!r}; expected a sequence of integers "
            f"from 0 to {levels - 1}.",
            "count the levels from 0, the largest size; () for none.",
        )
