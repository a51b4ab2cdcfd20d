"""A Transformer that reads a sequence from left to right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Shaped

import pax.functional as F
import pax.initializers as initializers
from pax._core import Module, ShapeError, arguments
from pax.nets import keys
from pax.nn import LayerNorm, Linear, MultiHeadAttention, RngSeq

#: A dense block is this many times as wide inside.
WIDENING = 4


class Transformer(Module):
    """A stack of Transformer layers over a sequence, in which no place sees a later one.

    In each layer x <- x + attention(norm(x)), then x <- x + fc2(gelu(fc1(norm(x)))), fc1 widening
    D to 4 D; at the end norm(x). gelu is the tanh approximation, as `jax.nn.gelu`. Positions are
    not encoded: add an encoding to the input.

    Args:
        dim: D, width of the sequence.
        num_heads: number of attention heads; it divides dim.
        num_layers: L, number of layers. All dense layers start with variance 2 / L over the
            number of their inputs.
        dropout_rate: probability, in [0, 1), that while training an element of what attention or
            a dense block adds becomes zero. The keys come from `rng_seq`.
        rng_key: random key of the initial values and of `rng_seq`; by default keys of
            `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> net, y = pax.purecall(pax.nets.Transformer(8, 2, 3, 0.1), jnp.ones((2, 5, 8)))
        >>> y.shape
        (2, 5, 8)
    Source: Vaswani et al., "Attention is all you need", 2017 (arXiv 1706.03762); norm before
        attention: Radford et al., "Language models are unsupervised multitask learners", 2019.
    """

    rng_seq: RngSeq
    layers: list[dict[str, Any]]
    layer_norm_output: LayerNorm

    def __init__(
        self,
        dim: int,
        num_heads: int,
        num_layers: int,
        dropout_rate: float,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("Transformer", dim=dim, num_heads=num_heads, num_layers=num_layers)
        arguments.heads_of("Transformer", dim, num_heads)
        self.dim = dim
        self.num_heads = num_heads
        self.num_layers = num_layers
        self.dropout_rate = arguments.rate(
            "Transformer", "dropout_rate", dropout_rate, may_be_one=False
        )
        layer_keys = keys.for_layers(rng_key)
        self.rng_seq = RngSeq(rng_key=next(layer_keys))
        self.layers = [self._layer(layer_keys) for _ in range(num_layers)]
        self.layer_norm_output = LayerNorm(dim, -1, True, True)

    def _layer(self, layer_keys: Iterator[Any]) -> dict[str, Module]:
        scale, dim, heads = 2 / self.num_layers, self.dim, self.num_heads
        return {
            "attention": MultiHeadAttention(heads, dim // heads, scale, rng_key=next(layer_keys)),
            "attn_layer_norm": LayerNorm(dim, -1, True, True),
            "dense_layer_norm": LayerNorm(dim, -1, True, True),
            "dense_block": DenseBlock(dim, scale, layer_keys),
        }

    def __call__(
        self, x: Float[ArrayLike, "*B T D"], mask: Shaped[ArrayLike, "..."] | None = None
    ) -> Float[Array, "*B T D"]:
        """Runs the layers.

        Args:
            x: sequences, shape [B, T, D], floating.
            mask: True (or not zero) where x holds something, False at padding, which is seen by
                no other place; shape [B, T].
        Returns:
            Shape and dtype of x; at padding, finite numbers without meaning.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if the last axis of x is not D, or the mask has another shape than [B, T].
            PurityError: in training mode outside `pax.pure`, unless dropout_rate is 0.
        """
        self._check(np.shape(x), mask)
        is_held = None
        if mask is not None:
            is_held = jnp.asarray(mask)[..., None, None, :]  # [B, 1, 1, T]
        drop = self._dropout()
        for layer in self.layers:
            y = layer["attn_layer_norm"](x)
            x = _add(x, drop(layer["attention"](y, y, y, is_held, is_causal=True)))
            y = layer["dense_layer_norm"](x)
            x = _add(x, drop(layer["dense_block"](y)))
        return self.layer_norm_output(x)

    def _dropout(self) -> Callable[[Array], Array]:
        """Returns a function that drops elements, with another key at each call."""
        if not self.training or self.dropout_rate == 0:
            return lambda y: y
        rng_keys = iter(self.rng_seq.next_rng_key(2 * self.num_layers))
        return lambda y: F.dropout(next(rng_keys), self.dropout_rate, y)

    def _check(self, shape: tuple[int, ...], mask: Any) -> None:
        """Raises unless the input may have this shape, and the mask fits it."""
        if len(shape) < 2 or shape[-1] != self.dim:
            raise ShapeError(
                f"{self!r} got input of shape {shape}; expected (..., time, {self.dim}).",
                f"turn tokens into vectors first: pax.Embed(vocab_size, {self.dim})(tokens).",
            )
        if mask is not None and np.shape(mask) != shape[:-1]:
            raise ShapeError(
                f"{self!r} got mask of shape {np.shape(mask)} with input of shape {shape}; "
                f"expected {shape[:-1]}.",
                "pass True for each place that holds something; what lies ahead is hidden anyway.",
            )

    def __repr__(self) -> str:
        return self._repr(
            {
                "dim": self.dim,
                "num_heads": self.num_heads,
                "num_layers": self.num_layers,
                "dropout_rate": self.dropout_rate,
            }
        )


class DenseBlock(Module):
    """fc2(gelu(fc1(x))), four times as wide inside."""

    fc1: Linear
    fc2: Linear

    def __init__(self, dim: int, w_init_scale: float, layer_keys: Iterator[Any]) -> None:
        super().__init__()
        w_init = initializers.variance_scaling(w_init_scale, "fan_in", "truncated_normal")
        self.fc1 = Linear(dim, WIDENING * dim, w_init=w_init, rng_key=next(layer_keys))
        self.fc2 = Linear(WIDENING * dim, dim, w_init=w_init, rng_key=next(layer_keys))

    def __call__(self, x: Array) -> Array:
        """Applies the block to x, shape [..., D]."""
        return self.fc2(F.gelu(self.fc1(x)))


def _add(x: Any, y: Array) -> Array:
    """Returns x + y in the dtype of x; layers under a policy of precision may return another."""
    return x + y.astype(jnp.result_type(x))
