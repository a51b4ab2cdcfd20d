"""Whether two trees of arrays are the same, and which of their numbers are not."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pax._core import PaxError


class CheckError(PaxError, AssertionError):
    """A layer that does not do what its check expects."""


def is_floating(x: Any) -> bool:
    """Returns whether an array holds floating numbers."""
    return jnp.issubdtype(x.dtype, jnp.floating)


def paths(tree: Any) -> list[str]:
    """Returns the dotted paths of the leaves."""
    found = jax.tree_util.tree_leaves_with_path(tree)
    return [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in found]


def check_close(what: str, fix: str, found: Any, expected: Any, tolerance: float) -> None:
    """Raises unless two trees have one structure, shapes, dtypes, and values this close.

    Integers must be equal; a tolerance of 0 asks that of every number.
    """
    if jax.tree.structure(found) != jax.tree.structure(expected):
        raise CheckError(
            f"{what}: the structure is {jax.tree.structure(found)}; expected "
            f"{jax.tree.structure(expected)}.",
            fix,
        )
    for path, x, y in zip(
        paths(expected), jax.tree.leaves(found), jax.tree.leaves(expected), strict=True
    ):
        at = f"{what}: {path or 'the output'}"
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            raise CheckError(
                f"{at} has shape {x.shape} and dtype {x.dtype}; expected {y.shape} and {y.dtype}.",
                fix,
            )
        close = tolerance if is_floating(y) else 0.0
        x, y = _wide(x), _wide(y)
        same = np.isclose(x, y, rtol=close, atol=close, equal_nan=True)
        if not same.all():
            worst = np.unravel_index(_distance(x, y).argmax(), x.shape)
            place = f"[{', '.join(map(str, worst))}]" if worst else ""
            raise CheckError(
                f"{at} differs in {(~same).sum()} of {same.size} numbers, most at {path}{place}: "
                f"{x[worst]}; expected {y[worst]} to {close:g}.",
                fix,
            )


def _distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns how far numbers are apart; what is not finite in one of them is farthest."""
    with np.errstate(invalid="ignore", over="ignore"):
        far = np.abs(np.subtract(x, y, dtype=np.float64))
    apart = np.nan_to_num(far, nan=np.inf, posinf=np.inf)
    return np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, apart)


def _wide(x: Any) -> np.ndarray:
    """Returns an array in a dtype that NumPy compares without surprises."""
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        x = jax.random.key_data(x)
    return np.asarray(x).astype(np.float64) if is_floating(x) else np.asarray(x)
