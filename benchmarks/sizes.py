"""The models and how large each is: every contender builds what is written here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

#: AdamW, the same for all.
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-4

#: Batch norms: the weight of the past in the running averages, and what is added to the variance.
NORM_DECAY = 0.9
EPSILON = 1e-5

Shape = tuple[int, ...]


class Sizes:
    """The sizes of one model."""

    def shapes(self) -> tuple[Shape, Shape]:
        """Returns the shapes of input and output, channels last."""
        raise NotImplementedError


@dataclass(frozen=True)
class Identity(Sizes):
    """Gives back its input; no parameters, and so no training step."""

    batch: int = 1
    width: int = 8

    def shapes(self) -> tuple[Shape, Shape]:
        return (self.batch, self.width), (self.batch, self.width)


@dataclass(frozen=True)
class Dense(Sizes):
    """Square dense layers one after the other, with nothing between them."""

    batch: int = 1
    depth: int = 100
    width: int = 8

    def shapes(self) -> tuple[Shape, Shape]:
        return (self.batch, self.width), (self.batch, self.width)


@dataclass(frozen=True)
class MLP(Sizes):
    """Dense layers with ReLU between them."""

    batch: int = 128
    inputs: int = 784
    width: int = 512
    depth: int = 3
    classes: int = 10

    def shapes(self) -> tuple[Shape, Shape]:
        return (self.batch, self.inputs), (self.batch, self.classes)

    def widths(self) -> list[int]:
        """Returns the width of the input, then of each layer."""
        return [self.inputs, *[self.width] * (self.depth - 1), self.classes]


@dataclass(frozen=True)
class CNN(Sizes):
    """3x3 convolutions, each with ReLU and 2x2 max pooling; then two dense layers."""

    batch: int = 64
    image: int = 28
    inputs: int = 1
    channels: tuple[int, ...] = (32, 64)
    hidden: int = 128
    classes: int = 10

    def shapes(self) -> tuple[Shape, Shape]:
        return (self.batch, self.image, self.image, self.inputs), (self.batch, self.classes)

    def flat(self) -> int:
        """Returns how many numbers the last pooling leaves of one image."""
        return (self.image // 2 ** len(self.channels)) ** 2 * self.channels[-1]


class Convolution(NamedTuple):
    """A convolution without bias, padded by half its kernel on all sides."""

    inputs: int
    outputs: int
    kernel: int
    stride: int


class Block(NamedTuple):
    """relu(units(x) + shortcut(x)); a unit is a convolution, a batch norm, and ReLU between units.

    The shortcut is a convolution and a batch norm, or x itself.
    """

    units: list[Convolution]
    shortcut: Convolution | None


@dataclass(frozen=True)
class ResNet(Sizes):
    """A residual network: a unit, blocks, the mean over space, a dense layer."""

    batch: int = 32
    image: int = 32
    inputs: int = 3
    width: int = 16  # channels, kernel and stride of the stem
    kernel: int = 3
    stride: int = 1
    pool: bool = False  # 3x3 max pooling of stride 2 after the stem
    blocks_per_group: tuple[int, ...] = (2, 2, 2)
    channels: tuple[int, ...] = (16, 32, 64)
    bottleneck: bool = False
    classes: int = 10

    def shapes(self) -> tuple[Shape, Shape]:
        return (self.batch, self.image, self.image, self.inputs), (self.batch, self.classes)

    @property
    def stem(self) -> Convolution:
        return Convolution(self.inputs, self.width, self.kernel, self.stride)

    def blocks(self) -> Iterator[Block]:
        """Yields the blocks; the first of each group but the first group halves the image."""
        inputs = self.width
        for group, outputs in enumerate(self.channels):
            for i in range(self.blocks_per_group[group]):
                stride = 2 if group > 0 and i == 0 else 1
                changes = stride != 1 or inputs != outputs
                shortcut = Convolution(inputs, outputs, 1, stride) if changes else None
                yield Block(self._units(inputs, outputs, stride), shortcut)
                inputs = outputs

    def _units(self, inputs: int, outputs: int, stride: int) -> list[Convolution]:
        if not self.bottleneck:
            return [Convolution(inputs, outputs, 3, stride), Convolution(outputs, outputs, 3, 1)]
        inside = outputs // 4
        return [
            Convolution(inputs, inside, 1, 1),
            Convolution(inside, inside, 3, stride),
            Convolution(inside, outputs, 1, 1),
        ]


@dataclass(frozen=True)
class Transformer(Sizes):
    """Causal, norm before attention, dense blocks of four times the width with GELU (tanh)."""

    widening: ClassVar[int] = 4
    batch: int = 8
    time: int = 64
    layers: int = 6
    width: int = 128
    heads: int = 4

    def shapes(self) -> tuple[Shape, Shape]:
        return (self.batch, self.time, self.width), (self.batch, self.time, self.width)


@dataclass(frozen=True)
class Recurrent(Sizes):
    """A recurrent layer over a sequence; its output is the hidden state after each step."""

    batch: int = 32
    time: int = 256
    inputs: int = 128
    width: int = 128

    def shapes(self) -> tuple[Shape, Shape]:
        return (self.batch, self.time, self.inputs), (self.batch, self.time, self.width)


@dataclass(frozen=True)
class Attention(Sizes):
    """Causal attention alone, no weights: forward and backward to query, key and value."""

    batch: int = 1
    time: int = 512
    heads: int = 2
    key_size: int = 64

    def shapes(self) -> tuple[Shape, Shape]:
        shape = (self.batch, self.time, self.heads, self.key_size)
        return (3, *shape), shape


@dataclass(frozen=True)
class Decoding(Sizes):
    """A language model after Llama, which writes tokens one after the other over a cache."""

    batch: int = 1
    time: int = 64  # tokens that are written
    layers: int = 30
    width: int = 576
    heads: int = 9
    kv_heads: int = 3
    hidden: int = 1536
    vocab_size: int = 49_152

    def shapes(self) -> tuple[Shape, Shape]:
        return (self.batch, 1), (self.batch, self.time)


#: The models by name. `dense_flat` trains on one flat list of arrays; `transformer_stacked` runs
#: one layer's program in a loop over stacked weights; `lstm_cell` and `gru_cell` compute the whole
#: cell, input part included, in each step; `attention_library` is `jax.nn.dot_product_attention`;
#: `decoding_stacked` runs one layer's program over stacked weights.
SIZES: dict[str, Sizes] = {
    "identity": Identity(),
    "dense": Dense(),
    "dense_flat": Dense(),
    "mlp": MLP(),
    "cnn": CNN(),
    "resnet": ResNet(),
    "resnet50": ResNet(
        batch=2,
        image=224,
        width=64,
        kernel=7,
        stride=2,
        pool=True,
        blocks_per_group=(3, 4, 6, 3),
        channels=(256, 512, 1024, 2048),
        bottleneck=True,
        classes=1000,
    ),
    "transformer": Transformer(),
    "transformer_stacked": Transformer(),
    "lstm": Recurrent(),
    "lstm_cell": Recurrent(),
    "gru": Recurrent(),
    "gru_cell": Recurrent(),
    "attention": Attention(),
    "attention_library": Attention(),
    "decoding": Decoding(),
    "decoding_stacked": Decoding(),
}


def sizes_of(model: str, **changed: Any) -> Sizes:
    """Returns the sizes of a model, some of them changed."""
    return dataclasses.replace(SIZES[model], **changed)  # type: ignore[type-var]
