"""The block of Mamba: a state-space model whose step, input and output depend on the input."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import pax.functional as F
import pax.initializers as initializers
from pax._core import ParameterModule, accumulation_dtype
from pax.nets import keys
from pax.nn import DepthwiseConv1D, Linear, RMSNorm

#: The steps of the model start between these, uniformly in their logarithm.
MIN_STEP, MAX_STEP = 1e-3, 0.1


class MambaCache(NamedTuple):
    """What a block remembers: the last inputs of its convolution, and the state of its scan."""

    inputs: Float[Array, "B W-1 E"]
    state: Float[Array, "B N E"]


class MambaBlock(ParameterModule):
    """A residual block, x + out(scan(conv(x')) * silu(z)), with x', z = in(norm(x))."""

    norm: RMSNorm
    in_projection: Linear
    conv: DepthwiseConv1D
    selection: Linear
    step_projection: Linear
    log_rate: Float[Array, "N E"]
    skip: Float[Array, "E"]
    out_projection: Linear

    def __init__(
        self,
        dim: int,
        state_dim: int,
        width: int,
        conv_width: int,
        step_rank: int,
        scale: float,
        *,
        rng_key: Any = None,
    ) -> None:
        super().__init__()
        self.sizes = (step_rank, state_dim, width)
        rng_keys = keys.for_layers(rng_key)

        def dense(in_dim: int, out_dim: int, with_bias: bool = False, **options: Any) -> Linear:
            return Linear(in_dim, out_dim, with_bias, **options, rng_key=next(rng_keys))

        self.norm = RMSNorm(dim)
        self.in_projection = dense(dim, 2 * width)
        self.conv = DepthwiseConv1D(width, conv_width, padding="VALID", rng_key=next(rng_keys))
        self.selection = dense(width, step_rank + 2 * state_dim)
        self.step_projection = dense(step_rank, width, True, b_init=_step_bias)
        rates = np.log(np.arange(1, state_dim + 1, dtype=np.float32))
        self.log_rate = jnp.asarray(np.repeat(rates[:, None], width, 1))
        self.skip = jnp.asarray(np.ones(width, np.float32))
        w_init = initializers.variance_scaling(scale, "fan_in", "truncated_normal")
        self.out_projection = dense(width, dim, w_init=w_init)

    def __call__(self, x: Array) -> Array:
        """Applies the block to x, shape [B, T, D]."""
        return self.decode(x, self.make_cache(len(x)))[0]

    def make_cache(self, batch_size: int) -> MambaCache:
        """Returns a cache of no inputs."""
        _, state_dim, width = self.sizes
        weight = self.conv.weight
        return MambaCache(
            jnp.zeros((batch_size, len(weight) - 1, width), weight.dtype),
            jnp.zeros((batch_size, state_dim, width), accumulation_dtype(weight)),
        )

    def decode(
        self, x: Array, cache: MambaCache, *, lengths: Array | None = None
    ) -> tuple[Array, MambaCache]:
        """Reads the next inputs, shape [B, T, D], of which each row has so many."""
        if not x.shape[1]:  # the convolution takes none
            return x, cache
        new, z = jnp.split(self.in_projection(self.norm(x)), 2, axis=-1)
        held = None
        if lengths is not None:
            held = (jnp.arange(x.shape[1])[None] < lengths[:, None])[..., None]
            new = jnp.where(held, new, 0)  # what is no token may be NaN
        inputs = jnp.concatenate([cache.inputs.astype(new.dtype), new], axis=1)
        y, state = self._scan(jax.nn.silu(self.conv(inputs)), cache.state, held)
        y = self.out_projection(y * jax.nn.silu(z))
        after = MambaCache(self._last(inputs, lengths).astype(cache.inputs.dtype), state)
        return x + y.astype(x.dtype), after

    def _scan(self, x: Array, state: Array, held: Array | None) -> tuple[Array, Array]:
        step_rank, state_dim, _ = self.sizes
        wide = accumulation_dtype(x)
        ends = (step_rank, step_rank + state_dim)
        step, b, c = jnp.split(self.selection(x), ends, axis=-1)
        delta = jax.nn.softplus(self.step_projection(step).astype(wide))
        if held is not None:  # a step of no time leaves the state as it is
            delta = jnp.where(held, delta, 0)
        rate = -jnp.exp(self.log_rate.astype(wide))
        after, y = F.selective_scan(
            x.astype(wide), delta, rate, b.astype(wide), c.astype(wide), state.astype(wide)
        )
        return y.astype(x.dtype) + self.skip[None, None] * x, after.astype(state.dtype)

    def _last(self, inputs: Array, lengths: Array | None) -> Array:
        """Returns the last inputs of each row, as many as the convolution looks back."""
        back = len(self.conv.weight) - 1
        if lengths is None:
            return inputs[:, inputs.shape[1] - back :]
        places = lengths[:, None] + jnp.arange(back, dtype=lengths.dtype)[None]
        return jnp.take_along_axis(inputs, places[..., None], axis=1)


def _step_bias(rng_key: Any, shape: tuple[int, ...]) -> Array:
    """Draws what softplus turns into a step."""
    log_step = initializers.uniform_between(math.log(MIN_STEP), math.log(MAX_STEP))
    step = jnp.exp(log_step(rng_key, shape))
    return step + jnp.log(-jnp.expm1(-step))
