"""A module whose methods do all that a method may do, to be put under a policy."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import pax
from tests.core.samples import normal

F32, BF16, F16 = jnp.dtype(jnp.float32), jnp.dtype(jnp.bfloat16), jnp.dtype(jnp.float16)
POLICY = pax.Policy(F32, BF16, F16)


def under(module: Any, policy: Any = POLICY) -> Any:
    return pax.apply_mp_policy(module, mp_policy=policy)


class Seen(NamedTuple):
    """State of `Probe`, in a container."""

    last: jax.Array
    count: jax.Array


class Probe(pax.ParameterModule):
    """Notes the dtypes that its methods see, and writes every kind of state."""

    scale_of_class = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.weight = normal(3)
        self.parts = [normal(2, seed=1), (normal(2, seed=2), jax.nn.relu)]
        self.seen = Seen(normal(3, seed=3), jnp.arange(3))
        self.inner = pax.Linear(3, 3)
        self.untouched = normal(4, seed=4)
        self.dtypes: tuple[Any, ...] = ()

    def __call__(self, x, *, by=None):
        self.dtypes = (x.dtype, self.weight.dtype, self.parts[0].dtype, self.inner.weight.dtype)
        y = self.double(x) * self.weight
        self.seen = Seen(y, self.seen.count + 1)
        self.parts[0] = self.parts[0] * 2
        return {"y": y, "count": self.seen.count, "inner": self.inner, "text": "t", "by": by}

    def double(self, x):
        """Returns twice the input."""
        return x * jnp.asarray(self.scale_of_class, x.dtype)

    def hidden(self):
        return self._hidden()

    def _hidden(self):
        return self.weight.dtype

    @property
    def stored(self):
        return self.weight.dtype

    @classmethod
    def build(cls, seed):
        made = cls()
        return made.replace(weight=normal(3, seed=seed))

    @staticmethod
    def half(x):
        return x / 2

    @functools.partial(jax.jit, static_argnames="power")
    def raised(self, x, power):
        return x**power * self.weight

    @pax.module_and_value
    def grown(self, x):
        self.weight = self.weight + x
        return self.weight

    @pax.pure
    def grown_alone(self, x):
        self.weight = self.weight + x
        return self

    def another(self):
        return type(self)()

    def kept(self):
        self.inner = pax.Sequential(self.replace(dtypes=("kept",)).map(jnp.array))
        return 0

    def itself(self):
        return self, [self]

    def wider(self):
        return self.replace(untouched=self.untouched * 2)

    def wrapped_up(self):
        return pax.Sequential(self.replace(name="copy"))
