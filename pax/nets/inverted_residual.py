"""Networks of inverted residual blocks, which are widest inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

import pax.functional as F
from pax._core import ArgumentError, Module, arguments
from pax.nets import dropping, keys
from pax.nets.parts import FORMATS, Parts, checked_bn
from pax.nn import BatchNorm2D, Conv2D, Linear, RngSeq

STEM_CHANNELS = 32
SQUEEZE = 4

Activation = Callable[[Array], Array]


class Stage(NamedTuple):
    """Blocks that are alike; the first has the stride."""

    expansion: int
    channels: int
    num_blocks: int
    stride: int
    kernel: int = 3


class ConvNorm(Module):
    """A convolution without bias, then batch norm."""

    conv: Conv2D
    norm: BatchNorm2D

    def __init__(self, parts: Parts, *sizes: int) -> None:
        super().__init__()
        self.conv = parts.conv(*sizes)
        self.norm = parts.norm(self.conv.out_features)

    def __call__(self, x: Float[ArrayLike, "B *C_H_W"]) -> Array:
        """Applies both to images x."""
        return self.norm(self.conv(x))


class SqueezeExcite(Module):
    """Scales each channel by a number in (0, 1) that depends on the means of all channels."""

    fc1: Linear
    fc2: Linear

    def __init__(self, channels: int, inside: int, parts: Parts) -> None:
        super().__init__()
        self.space = parts.data_format.index("H"), parts.data_format.index("W")
        self.fc1 = Linear(channels, inside, rng_key=next(parts.keys))
        self.fc2 = Linear(inside, channels, rng_key=next(parts.keys))

    def __call__(self, x: Array) -> Array:
        """Scales images x."""
        scale = jax.nn.sigmoid(self.fc2(jax.nn.silu(self.fc1(x.mean(axis=self.space)))))
        return x * jnp.expand_dims(scale, self.space).astype(x.dtype)


class InvertedResidual(Module):
    """1x1 to more channels, depthwise, 1x1 back; the input is added where the shape is the same.

    Batch norm follows each, the activation all but the last.
    """

    expand: ConvNorm | None
    depthwise: ConvNorm
    squeeze: SqueezeExcite | None
    project: ConvNorm

    def __init__(
        self,
        channels: tuple[int, int, int],
        stride: int,
        kernel: int,
        activation: Activation,
        squeezed: int,
        parts: Parts,
    ) -> None:
        super().__init__()
        before, inside, after = channels
        self.activation = activation
        self.is_residual = stride == 1 and before == after
        self.expand = ConvNorm(parts, before, inside, 1) if inside != before else None
        self.depthwise = ConvNorm(parts, inside, inside, kernel, stride, inside)
        self.squeeze = SqueezeExcite(inside, squeezed, parts) if squeezed else None
        self.project = ConvNorm(parts, inside, after, 1)

    def __call__(self, x: Array, drop: Activation) -> Array:
        """Applies the block to images x; `drop` drops what it would add to some of them."""
        y = x
        if self.expand is not None:
            y = self.activation(self.expand(y))
        y = self.activation(self.depthwise(y))
        if self.squeeze is not None:
            y = self.squeeze(y)
        y = self.project(y)
        return x + drop(y) if self.is_residual else y


class InvertedResidualNet(Module):
    """What the networks of inverted residual blocks have in common.

    Args:
        input_channels: C, number of channels of the images.
        num_classes: number of scores.
        stages: blocks that are alike, each (expansion, channels, num_blocks, stride, kernel).
        width: factor of the numbers of channels.
        dropout_rate: probability of dropping an element before the last layer.
        drop_path_rate: probability of dropping what a block adds, if it were one more.
        bn_config: arguments of every batch norm.
        data_format: "NCHW" or "NHWC".
        rng_key: random key of the initial values.
        name: name of the module.
    """

    rng_seq: RngSeq
    stem: ConvNorm
    blocks: list[InvertedResidual]
    head: ConvNorm
    logits: Linear
    #: The activation, after every norm but those at the end of a block.
    _activation: ClassVar[Activation]
    #: Whether blocks squeeze and excite, through a quarter of their input channels.
    _squeezes: ClassVar[bool]

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        stages: Sequence[Stage],
        width: float,
        dropout_rate: float,
        drop_path_rate: float,
        bn_config: Mapping[str, Any] | None,
        data_format: str,
        *,
        rng_key: Any,
        name: str | None,
    ) -> None:
        super().__init__(name=name)
        network = type(self).__name__
        arguments.sizes(network, input_channels=input_channels, num_classes=num_classes)
        arguments.one_of(network, "data_format", data_format, FORMATS)
        self.input_channels = input_channels
        self.num_classes = num_classes
        self.width = arguments.positive(network, "width", width)
        self.dropout_rate, self.drop_path_rate = (
            arguments.rate(network, argument, rate, may_be_one=False)
            for argument, rate in (
                ("dropout_rate", dropout_rate),
                ("drop_path_rate", drop_path_rate),
            )
        )
        self.data_format = data_format
        parts = Parts(data_format, checked_bn(network, bn_config), keys.for_layers(rng_key))
        self.rng_seq = RngSeq(rng_key=next(parts.keys))
        channels = rounded(STEM_CHANNELS * width)
        self.stem = ConvNorm(parts, input_channels, channels, 3, 2)
        self.blocks = []
        for stage in stages:
            for i in range(stage.num_blocks):
                stride = stage.stride if i == 0 else 1
                after = rounded(stage.channels * width)
                self.blocks.append(self._block(channels, after, stride, stage, parts))
                channels = after
        head_channels = self._head_channels(channels)
        self.head = ConvNorm(parts, channels, head_channels, 1)
        self.logits = Linear(head_channels, num_classes, rng_key=next(parts.keys))

    def _block(
        self, before: int, after: int, stride: int, stage: Stage, parts: Parts
    ) -> InvertedResidual:
        channels = before, self._inside(before, stage.expansion), after
        squeezed = max(1, before // SQUEEZE) if self._squeezes else 0
        return InvertedResidual(
            channels, stride, stage.kernel, type(self)._activation, squeezed, parts
        )

    def _inside(self, channels: int, expansion: int) -> int:
        """Returns the number of channels inside a block with this number of them before it."""
        raise NotImplementedError

    def _head_channels(self, channels: int) -> int:
        """Returns the number of channels of the last convolution."""
        raise NotImplementedError

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
        activation, n = type(self)._activation, len(self.blocks)
        y = activation(self.stem(x))
        drops = [(F.drop_path, self.drop_path_rate * i / n) for i in range(n)]
        drops.append((F.dropout, self.dropout_rate))
        *drop_paths, dropout = dropping.functions(self.rng_seq, drops, training=self.training)
        for block, drop in zip(self.blocks, drop_paths, strict=True):
            y = block(y, drop)
        y = activation(self.head(y))
        space = self.data_format.index("H"), self.data_format.index("W")
        return self.logits(dropout(y.mean(axis=space)))

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_channels": self.input_channels,
                "num_classes": self.num_classes,
                "width": self.width,
                "num_blocks": len(self.blocks),
                "data_format": self.data_format,
            }
        )


def rounded(channels: float) -> int:
    """Returns the nearest multiple of 8, or the next one where that takes away more than 10%."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def checked_stages(network: str, stages: Any) -> list[Stage]:
    """Returns stages as such; raises if one of them has another form."""
    if not isinstance(stages, Sequence) or not stages or not all(map(_is_stage, stages)):
        raise ArgumentError(
            f"{network} got stages={stages!r}; expected tuples of positive integers (expansion, "
            "channels, num_blocks, stride, kernel).",
            "write e.g. stages=[(1, 16, 1, 1, 3), (6, 24, 2, 2, 3)].",
        )
    return [Stage(*stage) for stage in stages]


def _is_stage(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and len(value) in (4, 5)
        and all(arguments.is_int(x) and x >= 1 for x in value)
    )
