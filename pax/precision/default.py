"""The policy that each layer asks for by its role."""

from __future__ import annotations

from typing import TypeVar

import jax.numpy as jnp

from pax._core import ArgumentError, Module
from pax.precision.apply import apply_mp_policy
from pax.precision.policy import Policy

M = TypeVar("M", bound=Module)

#: The compute dtype of each role; parameters are stored in float32, outputs are bfloat16.
_COMPUTE = {"half": jnp.bfloat16, "full": jnp.float32}


def default_mp_policy(module: M) -> M:
    """Returns the module under the policy that fits its class, for use with `Module.apply`.

    A layer class says by `precision_role` how it computes: "half" (dense layers, convolutions)
    in bfloat16, "full" (normalisation) in float32; parameters are stored in float32 and both
    return bfloat16. A class without a role stays as it is.

    Args:
        module: one module; its submodules are not looked at.
    Returns:
        A new module, or the same one if its class has no role.
    Raises:
        ArgumentError: if the role is unknown, or the module has a policy already.
    Example:
        >>> net = pax.Sequential(pax.Linear(2, 8), pax.LayerNorm(8, -1, True, True), jax.nn.relu)
        >>> print(net.apply(pax.experimental.default_mp_policy).summary())
        Sequential
        ├── Linear(in_dim=2, out_dim=8, with_bias=True, mp_policy=FHH)
        ├── LayerNorm(num_channels=8, axis=-1, create_scale=True, create_offset=True, mp_policy=FFH)
        └── x => relu(x)
    """
    role = module.precision_role
    if role is None:
        return module
    if role not in _COMPUTE:
        raise ArgumentError(
            f"{type(module).__name__} has precision_role={role!r}; expected "
            f"{', '.join(map(repr, _COMPUTE))} or None.",
            'write precision_role = "half" in the body of the class.',
        )
    return apply_mp_policy(module, Policy(jnp.float32, _COMPUTE[role], jnp.bfloat16))
