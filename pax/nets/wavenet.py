"""A network over raw audio, in which no sample sees a later one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Integer

from pax._core import ArgumentError, Module, ShapeError, arguments
from pax.nets import keys
from pax.nn import Conv1D, Embed, Linear


class WaveNet(Module):
    """Causal dilated convolutions with gates: quantised audio in, logits of the next sample out.

    Samples are embedded. In layer i of a stack h = conv(x), a causal convolution of dilation 2^i
    and twice as many channels, plus a dense layer of the condition if there is one; g = tanh(first
    half) * sigmoid(second half); skip(g) is added up over all layers, and x <- x + residual(g) but
    in the last one. At the end output2(relu(output1(relu(sum)))). It sees stacks *
    (2^layers_per_stack - 1) * (kernel_size - 1) samples back.

    Args:
        num_classes: number of values of a sample, 256 after mu-law companding.
        channels: width between the layers.
        layers_per_stack: number of layers, of dilation 1, 2, 4, ..., of a stack.
        stacks: number of stacks.
        kernel_size: size of the causal convolutions.
        skip_channels: width of what is added up, and of the dense layer at the end.
        condition_dim: width of the condition, such as a mel spectrogram; by default there is none.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer.
    Example:
        >>> net = pax.nets.WaveNet(16, channels=4, layers_per_stack=3, stacks=1, skip_channels=8)
        >>> net(jnp.array([[3, 1, 4, 1, 5]])).shape
        (1, 5, 16)
    Source: van den Oord et al., "WaveNet: a generative model for raw audio", 2016
        (arXiv 1609.03499).
    """

    embed: Embed
    layers: list[Layer]
    output1: Linear
    output2: Linear

    def __init__(
        self,
        num_classes: int = 256,
        *,
        channels: int = 64,
        layers_per_stack: int = 10,
        stacks: int = 3,
        kernel_size: int = 2,
        skip_channels: int = 256,
        condition_dim: int | None = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        sizes = {"num_classes": num_classes, "channels": channels, "stacks": stacks}
        sizes |= {"layers_per_stack": layers_per_stack, "kernel_size": kernel_size}
        sizes |= {} if condition_dim is None else {"condition_dim": condition_dim}
        arguments.sizes("WaveNet", **sizes, skip_channels=skip_channels)
        self.num_classes = num_classes
        self.channels = channels
        self.condition_dim = condition_dim
        rng_keys = keys.for_layers(rng_key)
        self.embed = Embed(num_classes, channels, rng_key=next(rng_keys))
        rates = [2**i for i in range(layers_per_stack)] * stacks
        self.layers = [
            Layer(channels, skip_channels, condition_dim, kernel_size, rate, is_last, rng_keys)
            for rate, is_last in zip(rates, [False] * (len(rates) - 1) + [True], strict=True)
        ]
        self.output1 = Linear(skip_channels, skip_channels, rng_key=next(rng_keys))
        self.output2 = Linear(skip_channels, num_classes, rng_key=next(rng_keys))

    def __call__(
        self, x: Integer[ArrayLike, "B T"], condition: Float[ArrayLike, "B T C"] | None = None
    ) -> Float[Array, "B T num_classes"]:
        """Returns the logits of each sample's successor.

        Args:
            x: samples, shape [B, T], integers in [0, num_classes).
            condition: what each sample is told besides, shape [B, T, condition_dim].
        Returns:
            Logits, shape [B, T, num_classes]; those at t depend on the samples up to t.
        Raises:
            ArgumentError: if there is a condition and should be none, or the other way round.
            DtypeError: if x is not an array of integers.
            ShapeError: if x or condition has another shape.
        """
        self._check(np.shape(x), condition)
        h, skips = self.embed(x), []
        for layer in self.layers:
            h, skip = layer(h, condition)
            skips.append(skip)
        return self.output2(jax.nn.relu(self.output1(jax.nn.relu(sum(skips[1:], skips[0])))))

    def _check(self, shape: tuple[int, ...], condition: Any) -> None:
        if len(shape) != 2:
            raise ShapeError(
                f"{self!r} got samples of shape {shape}; expected [B, T].",
                "add the batch axis with x[None].",
            )
        if (condition is None) != (self.condition_dim is None):
            found, fix = "no condition", "pass one of width condition_dim."
            if condition is not None:
                found, fix = "a condition", "build the network with its width as condition_dim."
            raise ArgumentError(
                f"{self!r} got {found}; expected condition_dim={self.condition_dim}.", fix
            )
        if condition is not None and np.shape(condition) != (*shape, self.condition_dim):
            raise ShapeError(
                f"{self!r} got condition of shape {np.shape(condition)} with samples of shape "
                f"{shape}; expected {(*shape, self.condition_dim)}.",
                "repeat each frame of it for all of its samples: jnp.repeat(frames, hop, axis=1).",
            )

    def __repr__(self) -> str:
        return self._repr(
            {
                "num_classes": self.num_classes,
                "channels": self.channels,
                "num_layers": len(self.layers),
                "condition_dim": self.condition_dim,
            }
        )


class Layer(Module):
    """One gated convolution; see `WaveNet`."""

    conv: Conv1D
    condition: Linear | None
    residual: Linear | None
    skip: Linear

    def __init__(
        self,
        channels: int,
        skip_channels: int,
        condition_dim: int | None,
        kernel_size: int,
        rate: int,
        is_last: bool,
        rng_keys: Iterator[Any],
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"rate": rate, "padding": "CAUSAL", "rng_key": next(rng_keys)}
        self.conv = Conv1D(channels, 2 * channels, kernel_size, **options)
        self.condition = None
        if condition_dim is not None:
            self.condition = Linear(condition_dim, 2 * channels, False, rng_key=next(rng_keys))
        self.residual = None if is_last else Linear(channels, channels, rng_key=next(rng_keys))
        self.skip = Linear(channels, skip_channels, rng_key=next(rng_keys))

    def __call__(self, x: Array, condition: Any) -> tuple[Array, Array]:
        """Returns what goes to the next layer, and what is added up."""
        h = self.conv(x)
        if self.condition is not None:
            h = h + self.condition(condition).astype(h.dtype)
        filtered, gate = jnp.split(h, 2, axis=-1)
        h = jnp.tanh(filtered) * jax.nn.sigmoid(gate)
        if self.residual is not None:
            x = x + self.residual(h).astype(x.dtype)
        return x, self.skip(h)
