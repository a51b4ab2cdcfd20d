"""A network that reads a line of text in an image, for connectionist temporal classification."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Integer

from pax._core import Module, ShapeError, arguments
from pax.nets import images, keys
from pax.nets.parts import FORMATS
from pax.nn import LSTM, BatchNorm2D, Bidirectional, Conv2D, Linear, MaxPool

#: Of each convolution: channels over base_channels, whether a batch norm follows, and the pool.
PLAN: list[tuple[int, bool, tuple[int, int] | None]] = [
    (1, False, (2, 2)),
    (2, False, (2, 2)),
    (4, False, None),
    (4, False, (2, 1)),
    (8, True, None),
    (8, True, (2, 1)),
]
#: Height of the lines.
HEIGHT = 32


class CRNN(Module):
    """Convolutions, then two bidirectional LSTMs over the columns: images of lines in, logits out.

    Six 3x3 convolutions with relu, the fifth and sixth with a batch norm before it; after the
    first two max pooling of 2x2, after the fourth and sixth of 2x1, which keeps the width. A 2x2
    convolution without padding makes of each pair of columns one vector; a batch norm and relu
    follow. The LSTMs have a dense layer after each, the last one to the classes.

    The logits are for `pax.losses.ctc_loss`, with class 0 its blank.

    Args:
        input_channels: number of channels of the images, which are 32 high.
        num_classes: number of characters and the blank.
        base_channels: number of channels of the first convolution.
        hidden_dim: width of each LSTM.
        data_format: "NCHW" (batch, channels, height, width) or "NHWC", of the images.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> net = pax.nets.CRNN(1, 11, base_channels=4, hidden_dim=8)
        >>> net, logits = jax.jit(pax.purecall)(net, jnp.ones((2, 1, 32, 40)))
        >>> logits.shape, net.num_steps(40)
        ((2, 9, 11), 9)
    Source: Shi et al., "An end-to-end trainable neural network for image-based sequence recognition
        and its application to scene text recognition", 2015 (arXiv 1507.05717).
    """

    convs: list[Conv2D]
    norms: list[BatchNorm2D | None]
    readers: list[Bidirectional]
    outputs: list[Linear]

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        *,
        base_channels: int = 64,
        hidden_dim: int = 256,
        data_format: str = "NCHW",
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes(
            "CRNN",
            input_channels=input_channels,
            num_classes=num_classes,
            base_channels=base_channels,
            hidden_dim=hidden_dim,
        )
        arguments.one_of("CRNN", "data_format", data_format, FORMATS)
        self.input_channels = input_channels
        self.num_classes = num_classes
        self.data_format = data_format
        rng_keys = keys.for_layers(rng_key)
        self.convs, self.norms, at = [], [], input_channels
        for multiple, has_norm, _ in [*PLAN, (8, True, None)]:
            size, padding = (2, "VALID") if len(self.convs) == len(PLAN) else (3, "SAME")
            channels = multiple * base_channels
            self.convs.append(Conv2D(at, channels, size, padding=padding, rng_key=next(rng_keys)))
            self.norms.append(BatchNorm2D(channels) if has_norm else None)
            at = channels
        self.readers, self.outputs = [], []
        for width in (hidden_dim, num_classes):
            cells = (LSTM(at, hidden_dim, rng_key=next(rng_keys)) for _ in range(2))
            self.readers.append(Bidirectional(*cells))
            self.outputs.append(Linear(2 * hidden_dim, width, rng_key=next(rng_keys)))
            at = width

    def num_steps(self, width: Any) -> Any:
        """Returns how many steps of logits a width of pixels gives: width // 4 - 1.

        Args:
            width: a number, or an array of them: the widths of lines that were padded.
        Returns:
            The number of steps, for `lengths` and for the loss.
        """
        return width // 4 - 1

    def __call__(
        self, x: Float[ArrayLike, "B *C_H_W"], lengths: Integer[ArrayLike, "B"] | None = None
    ) -> Float[Array, "B T num_classes"]:
        """Returns the logits of each step.

        Args:
            x: images of lines, 32 high and at least 8 wide, in the network's data format, floating.
            lengths: how many steps of each row the LSTMs read, see `num_steps`; all by default.
        Returns:
            Logits, shape [B, T, num_classes], T = `num_steps` of the width.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x has another rank, height or number of channels, or is too narrow; and
                what `RNN` raises for lengths.
            PurityError: in training mode outside `pax.pure`.
        """
        self._check(np.shape(x))
        x = images.to_channels_last(jnp.asarray(x), self.data_format)
        pools = [pool for *_, pool in PLAN] + [None]
        for conv, norm, pool in zip(self.convs, self.norms, pools, strict=True):
            x = conv(x)
            x = jax.nn.relu(x if norm is None else norm(x))
            if pool is not None:
                x = MaxPool(pool)(x)
        x = x[:, 0]  # [B, T, channels]
        for reader, output in zip(self.readers, self.outputs, strict=True):
            x = output(reader(x, lengths=lengths)[1])
        return x

    def _check(self, shape: tuple[int, ...]) -> None:
        axes = dict(zip(self.data_format, shape, strict=False)) if len(shape) == 4 else {}
        if axes.get("H") != HEIGHT or axes["W"] < 8 or axes["C"] != self.input_channels:
            raise ShapeError(
                f"{self!r} got images of shape {shape}; expected {self.data_format}, height "
                f"{HEIGHT}, width at least 8, {self.input_channels} channels.",
                f"resize lines to a height of {HEIGHT} with pax.functional.resize.",
            )

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_channels": self.input_channels,
                "num_classes": self.num_classes,
                "data_format": self.data_format,
            }
        )
