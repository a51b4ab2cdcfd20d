"""Attention as a task of the JAX contenders, who each bring their function."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.batches import batch
from benchmarks.sizes import Sizes
from benchmarks.task import Absent

#: Temporary bytes from which a program is not run.
LIMIT = 8 << 30

#: Causal attention of query, key and value, each [B, T, H, K].
Attend = Callable[[Array, Array, Array], Array]


class AttentionTask:
    """The gradient of a loss to query, key and value; nothing is learned."""

    def __init__(self, attend: Attend, sizes: Sizes) -> None:
        self.x, self.target = jax.device_put(batch(sizes))

        def loss_fn(x: Array, target: Array) -> Array:
            return jnp.mean((attend(*x) - target) ** 2)

        self._gradient = jax.jit(jax.value_and_grad(loss_fn))
        self._attend = jax.jit(lambda x: attend(*x))

    def construct(self) -> None:
        compiled = self.lowered().compile()
        needed = compiled.memory_analysis().temp_size_in_bytes
        if needed > LIMIT:
            raise Absent(f"needs {needed / 2**30:.1f} GB")
        self._compiled = compiled

    def step(self) -> float:
        loss, grads = self._compiled(self.x, self.target)
        grads.block_until_ready()
        return float(loss)

    def evaluate(self) -> None:
        self._attend(self.x).block_until_ready()

    def outputs(self) -> np.ndarray:
        return np.asarray(self._attend(self.x))

    def lowered(self) -> jax.stages.Lowered:
        return self._gradient.lower(self.x, self.target)
