"""Small modules that the tests of the core build, change and take apart."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import pax


def normal(*shape: int, seed: int = 0) -> jax.Array:
    """Returns float32 normals; no two seeds give the same numbers."""
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


class Dense(pax.ParameterModule):
    """A linear map."""

    def __init__(self, in_dim: int = 2, out_dim: int = 2, *, seed: int = 0, name=None) -> None:
        super().__init__(name=name)
        self.in_dim = in_dim
        self.out_dim = out_dim
        self.weight = normal(in_dim, out_dim, seed=seed)
        self.bias = normal(out_dim, seed=seed + 1)

    def __call__(self, x):
        if x.shape[-1] != self.in_dim:
            raise pax.ShapeError(f"{self!r} got {x.shape[-1]} features.", "give it in_dim.")
        y = x @ self.weight
        return y + self.bias.reshape((1,) * (y.ndim - 1) + (-1,))

    def __repr__(self) -> str:
        return self._repr({"in_dim": self.in_dim, "out_dim": self.out_dim})


class Counter(pax.StateModule):
    """Counts its training calls."""

    def __init__(self) -> None:
        super().__init__()
        self.count = jnp.asarray(0, jnp.int32)

    def __call__(self, x):
        if self.training:
            self.count = self.count + 1
        return x


class Box(pax.Module):
    """Holds whatever it is given."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        for name, value in attributes.items():
            setattr(self, name, value)


class Apply(pax.Module):
    """Calls a function of itself, so that a test can write a `__call__` in one line."""

    def __init__(self, fn: Callable[..., Any], **attributes: Any) -> None:
        super().__init__()
        self.fn = fn
        for name, value in attributes.items():
            setattr(self, name, value)

    def __call__(self, *args: Any) -> Any:
        return self.fn(self, *args)


class Net(pax.Module):
    """Plain, listed and mixed children, a state, and static values of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Dense(3, 4, seed=10)
        self.layers = [Dense(4, 4, seed=20), jax.nn.relu, {"last": Dense(4, 2, seed=30)}]
        self.counter = Counter()
        self.scale = normal(2, seed=40)
        self.sizes = [3, 4, 2]
        self.kind = "net"
        self.nothing = None

    def __call__(self, x):
        x = self.layers[1](self.layers[0](self.encoder(x)))
        return self.counter(self.layers[2]["last"](x)) * self.scale.reshape(1, 2)


def unchecked(fn: Any) -> Any:
    """Returns a function of `pax` without the type checks of the test run.

    They refuse an argument of a wrong type before the function can say so in its own words.
    """
    return inspect.unwrap(fn)


def same_leaves(a: Any, b: Any) -> bool:
    """Returns whether two trees have the same leaves, each the very same object."""
    mine, its = jax.tree.leaves(a), jax.tree.leaves(b)
    return len(mine) == len(its) and all(x is y for x, y in zip(mine, its, strict=True))
