"""JAX's function objects as attributes: copied and pickled like functions, by name."""

from __future__ import annotations

import copyreg
from typing import Any

import jax
import jax.numpy as jnp


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", None) or function.__name__


# `jax.nn.relu` and its like are objects that neither pickle by themselves nor stay the same in
# `copy.deepcopy`; a model that holds one could then not be saved, and its copy would compile anew.
for _type in (jax.custom_jvp, jax.custom_vjp, jnp.ufunc, type(jax.jit(_name))):
    copyreg.pickle(_type, _name)
