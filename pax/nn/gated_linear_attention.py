"""Attention as a recurrent cell: its memory is a matrix, which decays."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

import pax.functional as F
from pax._core import Module, accumulation_dtype, arguments, keys_for_parts
from pax.nn import given
from pax.nn.layer_norm import LayerNorm
from pax.nn.linear import Linear
from pax.nn.linear_cell import kept_or_fresh


class GatedLinearAttention(Module):
    """Linear attention with gates, a cell of which `RNN` does all steps at once.

    In each head S' = diag(decay) S + k v^T and o = S'^T q / sqrt(K), with q, k and v dense layers
    of x, and decay = sigmoid(x W1 W2 + b)^(1 / temperature), a number for each of k. The output is
    y = (layer norm(o) * silu(x R + r)) O, the norm in each head, as wide as the input. The state is
    S, an array [B, H, K, V], zero at first.

    Args:
        input_dim: D, size of the last axis of input and output.
        num_heads: H.
        key_size: K, size of a query and of a key in each head.
        value_size: V, size of a value in each head; K by default.
        decay_rank: number of columns of W1.
        temperature: larger ones remember longer.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or temperature no positive number.
    Example:
        >>> state, y = pax.RNN(pax.GatedLinearAttention(8, 2, 3, 5))(jnp.ones((2, 6, 8)))
        >>> y.shape, state.shape
        ((2, 6, 8), (2, 2, 3, 5))
    Source: Yang et al., "Gated linear attention transformers with hardware-efficient training",
        2023 (arXiv 2312.06635); the division by sqrt(K) is that of attention.
    """

    query_projection: Linear
    key_projection: Linear
    value_projection: Linear
    decay_projections: list[Linear]
    gate_projection: Linear
    norm: LayerNorm
    output_projection: Linear

    def __init__(
        self,
        input_dim: int,
        num_heads: int,
        key_size: int,
        value_size: int | None = None,
        *,
        decay_rank: int = 16,
        temperature: float = 16.0,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        value_size = key_size if value_size is None else value_size
        sizes = {"input_dim": input_dim, "num_heads": num_heads, "key_size": key_size}
        arguments.sizes(
            "GatedLinearAttention", **sizes, value_size=value_size, decay_rank=decay_rank
        )
        self.input_dim = input_dim
        self.num_heads = num_heads
        self.key_size = key_size
        self.value_size = value_size
        self.temperature = arguments.positive("GatedLinearAttention", "temperature", temperature)
        rng_keys = iter(keys_for_parts(rng_key, 7))

        def dense(in_dim: int, out_dim: int, with_bias: bool = False) -> Linear:
            return Linear(in_dim, out_dim, with_bias, rng_key=next(rng_keys))

        keys_dim, values_dim = num_heads * key_size, num_heads * value_size
        self.query_projection = dense(input_dim, keys_dim)
        self.key_projection = dense(input_dim, keys_dim)
        self.value_projection = dense(input_dim, values_dim)
        self.decay_projections = [dense(input_dim, decay_rank), dense(decay_rank, keys_dim, True)]
        self.gate_projection = dense(input_dim, values_dim, True)
        self.norm = LayerNorm(value_size, -1, True, True)
        self.output_projection = dense(values_dim, input_dim)

    def initial_state(self, batch_size: int) -> Float[Array, "B H K V"]:
        """Returns a state of zeros.

        Args:
            batch_size: B.
        Returns:
            Shape [B, H, K, V], dtype of the weights.
        Raises:
            ArgumentError: if batch_size is not an integer of at least 0.
        """
        name = "GatedLinearAttention.initial_state"
        arguments.integer(name, "batch_size", batch_size, at_least=0)
        return jnp.zeros((batch_size, *self._shape()), given.weight_dtype(self.key_projection))

    def __call__(
        self, state: Float[ArrayLike, "*batch H K V"], x: Float[ArrayLike, "*batch D"]
    ) -> tuple[Float[Array, "*batch H K V"], Float[Array, "*batch D"]]:
        """Does one step.

        Args:
            state: the state before, shape [..., H, K, V].
            x: input, shape [..., D].
        Returns:
            The state after, in the dtype of the state before, and the output, shape [..., D].
        Raises:
            DtypeError: if x or the state is not floating.
            ShapeError: if shapes do not fit.
        """
        x = given.step_input(self, x, self.input_dim)
        state = given.plain_state(self, state, x, self._shape())
        query, key, value, decay = self._parts(x)
        after = decay[..., None] * state.astype(decay.dtype) + key[..., None] * value[..., None, :]
        y = (query[..., None] * after).sum(-2)
        return after.astype(state.dtype), self._output(y, x)

    def over_time(
        self,
        state: Float[ArrayLike, "B H K V"],
        x: Float[ArrayLike, "T B D"],
        inside: Bool[Array, "T B"] | None = None,
        fresh: Bool[Array, "T B"] | None = None,
    ) -> tuple[Float[Array, "B H K V"], Float[Array, "T B D"]]:
        """Does all steps at once: what `__call__` gives step by step, to rounding.

        Args:
            state: the state before the first step, shape [B, H, K, V].
            x: input, shape [T, B, D].
            inside: False at steps that leave the state as it is; by default nowhere.
            fresh: True at steps before which the state becomes zero; by default nowhere.
        Returns:
            The state after the last step, and the outputs of all steps, shape [T, B, D].
        Raises:
            DtypeError: if x or the state is not floating.
            ShapeError: if shapes do not fit.
        """
        x = given.step_input(self, x, self.input_dim)
        query, key, value, decay = self._parts(x)
        decay, key = kept_or_fresh(decay, key, inside, fresh)
        query, key, value, decay = (p.swapaxes(0, 1) for p in (query, key, value, decay))
        state = given.plain_state(self, state, x[0] if len(x) else x.sum(0), self._shape())
        after, y = F.gated_linear_attention(query, key, value, decay, state)
        return after, self._output(y.swapaxes(0, 1), x)

    def _shape(self) -> tuple[int, int, int]:
        return self.num_heads, self.key_size, self.value_size

    def _parts(self, x: Array) -> tuple[Array, ...]:
        """Returns query / sqrt(K), key, value and decay, [..., H, K or V], in float32 at least."""
        down, up = self.decay_projections
        layers = self.query_projection, self.key_projection, self.value_projection
        parts = [layer(x) for layer in layers] + [up(down(x))]
        query, key, value, gate = (
            part.astype(accumulation_dtype(part)).reshape(
                *x.shape[:-1], self.num_heads, part.shape[-1] // self.num_heads
            )
            for part in parts
        )
        decay = jnp.exp(jax.nn.log_sigmoid(gate) / self.temperature)
        return query * self.key_size**-0.5, key, value, decay

    def _output(self, y: Array, x: Array) -> Array:
        y = self.norm(y.astype(x.dtype)).reshape(*x.shape[:-1], self.num_heads * self.value_size)
        return self.output_projection(y * jax.nn.silu(self.gate_projection(x)))

    def __repr__(self) -> str:
        return self._repr(
            {
                "input_dim": self.input_dim,
                "num_heads": self.num_heads,
                "key_size": self.key_size,
                "value_size": self.value_size if self.value_size != self.key_size else None,
            }
        )
