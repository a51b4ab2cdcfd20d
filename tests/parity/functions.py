"""Runs a function beside a reference on random numbers: output and gradients, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import torch

from tests.parity.compare import assert_close, normal

Function = Callable[..., Any]


def assert_like_torch(function: Function, reference: Function, inputs: Sequence[Any]) -> None:
    """Fails unless the function equals one of torch tensors, its gradients too."""
    tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
    y = reference(*tensors)
    y.backward(torch.from_numpy(normal(*y.shape, seed=7)))
    expected = [t.detach().numpy() for t in (y, *(tensor.grad for tensor in tensors))]
    assert_close(_values(function, inputs), expected)


def assert_like_jax(function: Function, reference: Function, inputs: Sequence[Any]) -> None:
    """Fails unless the function equals one of JAX arrays, its gradients too."""
    assert_close(_values(function, inputs), _values(reference, inputs))


def _values(function: Function, inputs: Sequence[Any]) -> list[np.ndarray]:
    """Returns the output, and the gradient for each input."""

    @jax.jit
    def run(*inputs: jax.Array) -> Any:
        y, pull = jax.vjp(function, *inputs)
        return y, *pull(normal(*y.shape, seed=7))

    with jax.enable_x64(True):
        return [np.asarray(value) for value in run(*inputs)]
