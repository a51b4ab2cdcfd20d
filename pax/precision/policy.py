"""Which dtypes a module stores its parameters in, computes in, and returns."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from pax._core import ArgumentError

#: What `parse` takes instead of three dtypes.
PRESETS = {
    "mixed_bfloat16": "params=float32,compute=bfloat16,output=float32",
    "mixed_float16": "params=float32,compute=float16,output=float32",
}
_FIELDS = {"params": "param_dtype", "compute": "compute_dtype", "output": "output_dtype"}
_EXAMPLE = "params=float32,compute=bfloat16,output=float32"


@dataclasses.dataclass(frozen=True)
class Policy:
    """The dtypes of a module's parameters, arithmetic and output.

    Args:
        param_dtype: floating dtype in which parameters and state are stored.
        compute_dtype: floating dtype that they, and the inputs, have in a call.
        output_dtype: floating dtype of what a call returns.
    Raises:
        ArgumentError: if one is not a floating dtype.
    Example:
        >>> policy = pax.Policy(jnp.float32, jnp.bfloat16, jnp.float32)
        >>> print(policy)
        params=float32,compute=bfloat16,output=float32
        >>> policy.cast_to_compute({"x": jnp.array([0.5]), "n": jnp.array(3)})
        {'n': Array(3, dtype=int32, weak_type=True), 'x': Array([0.5], dtype=bfloat16)}
    Source: Micikevicius et al., "Mixed precision training", 2018 (arXiv 1710.03740).
    """

    param_dtype: DTypeLike
    compute_dtype: DTypeLike
    output_dtype: DTypeLike

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            dtype = _floating_dtype(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, dtype)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the policy of a text.

        Args:
            text: "params=float32,compute=bfloat16,output=float32", in any order; one dtype for
                all three, "bfloat16"; or a preset, "mixed_bfloat16" or "mixed_float16": that
                dtype in the arithmetic, float32 outside it.
        Raises:
            ArgumentError: if the text says anything else.
        """
        if not isinstance(text, str):
            raise _not_understood(repr(text), "expected a text")
        given = PRESETS.get(text.strip(), text)
        if "=" not in given:
            return cls(*[_named_dtype(text, given)] * 3)
        found: dict[str, Any] = {}
        for part in given.split(","):
            name, _, dtype = part.partition("=")
            field = _FIELDS.get(name.strip())
            if field is None or field in found:
                problem = "twice" if field in found else "not params, compute or output"
                raise _not_understood(repr(text), f"{name.strip()!r} is {problem}")
            found[field] = _named_dtype(text, dtype)
        missing = [name for name, field in _FIELDS.items() if field not in found]
        if missing:
            raise _not_understood(repr(text), f"it does not say {', '.join(missing)}")
        return cls(**found)

    def cast_to_param(self, tree: Any) -> Any:
        """Returns the tree with its floating arrays in the dtype of parameters.

        Args:
            tree: any pytree; what is not a floating array stays as it is.
        """
        return _cast(tree, self.param_dtype)

    def cast_to_compute(self, tree: Any) -> Any:
        """Returns the tree with its floating arrays in the dtype of the arithmetic.

        Args:
            tree: any pytree; what is not a floating array stays as it is.
        """
        return _cast(tree, self.compute_dtype)

    def cast_to_output(self, tree: Any) -> Any:
        """Returns the tree with its floating arrays in the dtype of outputs.

        Args:
            tree: any pytree; what is not a floating array stays as it is.
        """
        return _cast(tree, self.output_dtype)

    def __str__(self) -> str:
        return ",".join(f"{k}={getattr(self, field).name}" for k, field in _FIELDS.items())


def _floating_dtype(field: str, value: Any) -> np.dtype:
    try:
        dtype = None if value is None else jnp.dtype(value)
    except TypeError:
        dtype = None
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        raise ArgumentError(
            f"Policy got {field}={value!r}; expected a floating dtype.",
            f"write {field}=jnp.bfloat16.",
        )
    return dtype


def _named_dtype(text: str, name: str) -> np.dtype:
    try:
        return jnp.dtype(name.strip())
    except TypeError:
        raise _not_understood(repr(text), f"{name.strip()!r} is no dtype") from None


def _not_understood(text: str, problem: str) -> ArgumentError:
    return ArgumentError(
        f"Policy.parse got {text}: {problem}.",
        f'write Policy.parse("{_EXAMPLE}"), or a preset: {", ".join(PRESETS)}.',
    )


def is_floating(x: Any) -> bool:
    """Returns whether `x` is an array of floating numbers, or stands for one."""
    return isinstance(
        x, (jax.Array, np.ndarray, np.generic, jax.ShapeDtypeStruct)
    ) and jnp.issubdtype(x.dtype, jnp.floating)


def _cast(tree: Any, dtype: Any) -> Any:
    return jax.tree_util.tree_map(lambda x: _cast_array(x, dtype), tree)


def _cast_array(x: Any, dtype: Any) -> Any:
    if not is_floating(x) or x.dtype == dtype:
        return x
    return x.update(dtype=dtype) if isinstance(x, jax.ShapeDtypeStruct) else x.astype(dtype)
