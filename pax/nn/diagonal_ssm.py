"""The state-space model with a diagonal matrix."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

import pax.initializers as initializers
from pax._core import ArgumentError, accumulation_dtype, arguments, keys_for_parts
from pax.nn import given, keys
from pax.nn.linear import Linear
from pax.nn.linear_cell import LinearCell


class DiagonalSSM(LinearCell):
    """A diagonal state-space model, of which `RNN` does all steps at once.

    The model in continuous time is dh/dt = rate h + u, with N complex numbers h and u = x B. A step
    lasts `step` and holds the input meanwhile: h' = exp(rate step) h + (exp(rate step) - 1) / rate
    u. The output is y = [Re h', Im h'] C + skip x, as wide as the input.

    rate = -exp(log_rate) + i frequency, at first -1/2 + i pi n for n = 0 to N - 1, and step =
    exp(log_step), at first between min_step and max_step, uniformly in its logarithm: small steps
    remember long. B is `input_projection`, whose columns are the real parts, then the imaginary
    parts; C is `output_projection`, and both start as `Linear` layers do. All arrays are real; the
    state is [Re h, Im h], an array, zero at first.

    Args:
        input_dim: size of the last axis of input and output.
        state_dim: N, number of complex numbers of the state.
        min_step: smallest step at first.
        max_step: largest step at first.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or the steps are not positive and in
            order.
    Example:
        >>> state, y = pax.RNN(pax.DiagonalSSM(3, 4))(jnp.ones((2, 5, 3)))
        >>> y.shape, state.shape
        ((2, 5, 3), (2, 8))
    Source: Smith et al., "Simplified state space layers for sequence modeling", 2022
        (arXiv 2208.04933); initial rates: Gu et al., "On the parameterization and initialization of
        diagonal state space models", 2022 (arXiv 2206.11893).
    """

    input_projection: Linear
    output_projection: Linear
    log_rate: Float[Array, "N"]
    frequency: Float[Array, "N"]
    log_step: Float[Array, "N"]
    skip: Float[Array, "input_dim"]

    def __init__(
        self,
        input_dim: int,
        state_dim: int,
        *,
        min_step: float = 1e-3,
        max_step: float = 0.1,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("DiagonalSSM", input_dim=input_dim, state_dim=state_dim)
        self.input_dim = input_dim
        self.state_dim = state_dim
        self.min_step = arguments.positive("DiagonalSSM", "min_step", min_step)
        self.max_step = arguments.positive("DiagonalSSM", "max_step", max_step)
        if self.min_step > self.max_step:
            raise ArgumentError(
                f"DiagonalSSM got min_step={min_step} and max_step={max_step}; expected a range.",
                f"swap them: min_step={max_step}, max_step={min_step}.",
            )
        self.state_size = 2 * state_dim
        rng_keys = keys_for_parts(rng_key, 3)
        options: dict[str, Any] = {"with_bias": False}
        self.input_projection = Linear(input_dim, 2 * state_dim, **options, rng_key=rng_keys[0])
        self.output_projection = Linear(2 * state_dim, input_dim, **options, rng_key=rng_keys[1])
        self.log_rate = jnp.asarray(np.full(state_dim, math.log(0.5), np.float32))
        self.frequency = jnp.asarray(np.pi * np.arange(state_dim, dtype=np.float32))
        steps = initializers.uniform_between(math.log(self.min_step), math.log(self.max_step))
        self.log_step = steps(keys.for_weight_and_bias(rng_keys[2], None)[0], (state_dim,))
        self.skip = jnp.asarray(np.ones(input_dim, np.float32))

    def _state_dtype(self) -> jnp.dtype:
        return given.weight_dtype(self.input_projection)

    def _terms(self, x: Array) -> tuple[Array, Array]:
        u = self.input_projection(x)
        rate, frequency, step = (
            a.astype(accumulation_dtype(u)) for a in (self.log_rate, self.frequency, self.log_step)
        )
        rate, step = -jnp.exp(rate), jnp.exp(step)
        grown = jnp.expm1(lax.complex(rate * step, frequency * step))
        rate = lax.complex(rate, frequency)
        ones = (1,) * (u.ndim - 1)
        return (1 + grown).reshape(*ones, -1), (grown / rate).reshape(*ones, -1) * self._numbers(u)

    def _numbers(self, state: Array) -> Array:
        return lax.complex(*jnp.split(state.astype(accumulation_dtype(state)), 2, axis=-1))

    def _real(self, numbers: Array) -> Array:
        return jnp.concatenate([numbers.real, numbers.imag], axis=-1)

    def _output(self, state: Array, x: Array) -> Array:
        skipped = self.skip.reshape(*(1,) * (x.ndim - 1), -1) * x
        return self.output_projection(state) + skipped

    def __repr__(self) -> str:
        return self._repr({"input_dim": self.input_dim, "state_dim": self.state_dim})
