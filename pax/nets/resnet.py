"""Residual networks over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
import pax.initializers as initializers
from pax._core import ArgumentError, Module, arguments
from pax.nets import keys, per_group
from pax.nets.parts import FORMATS, Parts, checked_bn
from pax.nets.resnet_blocks import NARROWING, BlockGroup, BlockShape
from pax.nn import BatchNorm2D, Conv2D, Linear

STEM_CHANNELS = 64


class ResNet(Module):
    """A residual network: images in, one score for each class out.

    A 7x7 convolution of stride 2 with 64 channels, 3x3 max pooling of stride 2, groups of blocks
    f(x) + shortcut, the mean over space, and a dense layer whose weights start at zero. The
    convolutions have no bias; each has a batch norm.

    Args:
        input_channels: C, number of channels of the images.
        blocks_per_group: number of blocks in each group, e.g. (3, 4, 6, 3).
        num_classes: number of scores.
        bn_config: arguments of every batch norm: create_scale, create_offset, decay_rate, eps.
        resnet_v2: whether norm and relu stand before each convolution of a block (version 2)
            rather than after it (version 1).
        bottleneck: whether a block has convolutions 1x1, 3x3, 1x1, with a quarter of the channels
            inside and the stride at the 3x3; without it, it has two of 3x3.
        channels_per_group: number of output channels of each group.
        use_projection: for each group, whether the shortcut of its first block is a 1x1
            convolution; by default where the block changes the shape.
        strides: stride of the first block of each group.
        data_format: "NCHW" (batch, channels, height, width) or "NHWC".
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> net = pax.nets.ResNet(3, (1, 1), 10, channels_per_group=(8, 16), strides=(1, 2))
        >>> net.eval()(jnp.ones((2, 3, 32, 32))).shape
        (2, 10)
    Source: He et al., "Deep residual learning for image recognition", 2015 (arXiv 1512.03385);
        version 2: "Identity mappings in deep residual networks", 2016 (arXiv 1603.05027).
    """

    initial_conv: Conv2D
    initial_batchnorm: BatchNorm2D | None
    block_groups: list[BlockGroup]
    final_batchnorm: BatchNorm2D | None
    logits: Linear

    def __init__(
        self,
        input_channels: int,
        blocks_per_group: Sequence[int],
        num_classes: int,
        bn_config: Mapping[str, Any] | None = None,
        resnet_v2: bool = False,
        bottleneck: bool = True,
        channels_per_group: Sequence[int] = (256, 512, 1024, 2048),
        use_projection: Sequence[bool] | None = None,
        strides: Sequence[int] = (1, 2, 2, 2),
        *,
        data_format: str = "NCHW",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        network = type(self).__name__
        arguments.sizes(network, input_channels=input_channels, num_classes=num_classes)
        arguments.flags(network, resnet_v2=resnet_v2, bottleneck=bottleneck)
        arguments.one_of(network, "data_format", data_format, FORMATS)
        blocks_per_group = per_group.size_list(network, "blocks_per_group", blocks_per_group)
        shapes = _block_shapes(
            network, len(blocks_per_group), bottleneck, channels_per_group, use_projection, strides
        )
        parts = Parts(data_format, checked_bn(network, bn_config), keys.for_layers(rng_key))
        self.input_channels = input_channels
        self.blocks_per_group = blocks_per_group
        self.num_classes = num_classes
        self.resnet_v2 = resnet_v2
        self.data_format = data_format
        self.initial_conv = parts.conv(input_channels, STEM_CHANNELS, 7, 2)
        self.initial_batchnorm = None if resnet_v2 else parts.norm(STEM_CHANNELS)
        self.block_groups = [
            BlockGroup(num_blocks, shape, parts, resnet_v2=resnet_v2)
            for num_blocks, shape in zip(blocks_per_group, shapes, strict=True)
        ]
        channels = shapes[-1].out_channels
        self.final_batchnorm = parts.norm(channels) if resnet_v2 else None
        self.logits = Linear(
            channels, num_classes, w_init=initializers.zeros, rng_key=next(parts.keys)
        )

    def __call__(self, x: Float[ArrayLike, "B *C_H_W"]) -> Float[Array, "B num_classes"]:
        """Scores images.

        Args:
            x: images in the network's data format, floating.
        Returns:
            Shape [B, num_classes], the dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank or number of channels.
            PurityError: in training mode outside `pax.pure`.
        """
        y = self.initial_conv(x)
        if self.initial_batchnorm is not None:
            y = jax.nn.relu(self.initial_batchnorm(y))
        y = self._pool(y)
        for group in self.block_groups:
            y = group(y)
        if self.final_batchnorm is not None:
            y = jax.nn.relu(self.final_batchnorm(y))
        return self.logits(y.mean(axis=self._space()))

    def _pool(self, y: Array) -> Array:
        """Takes the maximum of 3x3 windows at every second place, which padding never is."""
        pairs = [(1, 1) if axis in self._space() else (0, 0) for axis in range(y.ndim)]
        y = jnp.pad(y, pairs, constant_values=-np.inf)
        return F.max_pool(y, 3, 2, "VALID", channel_axis=self.data_format.index("C"))

    def _space(self) -> tuple[int, int]:
        return self.data_format.index("H"), self.data_format.index("W")

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_channels": self.input_channels,
                "blocks_per_group": self.blocks_per_group,
                "num_classes": self.num_classes,
                "resnet_v2": self.resnet_v2,
                "data_format": self.data_format,
            }
        )


def _block_shapes(
    network: str,
    n: int,
    bottleneck: bool,
    channels_per_group: Sequence[int],
    use_projection: Sequence[bool] | None,
    strides: Sequence[int],
) -> list[BlockShape]:
    """Returns the shape of the first block of each of `n` groups."""
    channels = per_group.size_list(network, "channels_per_group", channels_per_group, n)
    strides = per_group.size_list(network, "strides", strides, n)
    if bottleneck and any(c % NARROWING for c in channels):
        raise ArgumentError(
            f"{network} got channels_per_group={channels}; a bottleneck block has a quarter of "
            "its channels inside.",
            "choose multiples of 4, or bottleneck=False.",
        )
    inputs = (STEM_CHANNELS, *channels[:-1])
    changes = [i != o or s != 1 for i, o, s in zip(inputs, channels, strides, strict=True)]
    if use_projection is None:
        use_projection = changes
    per_group.one_each(network, "use_projection", use_projection, n)
    for group, (changed, projected) in enumerate(zip(changes, use_projection, strict=True)):
        arguments.flags(network, **{f"use_projection[{group}]": projected})
        if changed and not projected:
            raise ArgumentError(
                f"{network} got use_projection[{group}]=False for a group from {inputs[group]} to "
                f"{channels[group]} channels with stride {strides[group]}.",
                "project where a group changes the shape; use_projection=None does.",
            )
    return [
        BlockShape(before, after, stride, bottleneck, projected)
        for before, after, stride, projected in zip(
            inputs, channels, strides, use_projection, strict=True
        )
    ]
