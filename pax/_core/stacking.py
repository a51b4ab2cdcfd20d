"""Modules of one structure as one module whose arrays have an axis more, and back."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from pax._core.compare import all_differences
from pax._core.errors import DtypeError, ShapeError, StructureError
from pax._core.forms import forms, unlike
from pax._core.partition import some


def stack_modules(modules: Iterable[Any], count: int) -> Any:
    """Returns one module whose arrays hold those of all modules along a new first axis.

    Each module is dropped as soon as its arrays are copied, so that the whole never stands in
    memory twice.

    Args:
        modules: the modules, of one structure, shapes and dtypes.
        count: how many there are.
    """
    first: Any = None
    columns: list[_Column] = []
    for i, module in enumerate(modules):
        if i == 0:
            first = forms(module)
            columns = [_Column(x, count) for x in jax.tree_util.tree_leaves(module)]
        else:
            _check_alike(first, module, i)
        for column, x in zip(columns, jax.tree_util.tree_leaves(module), strict=True):
            column.put(i, x)
    return jax.tree_util.tree_structure(first).unflatten([c.stacked() for c in columns])


def unstack_module(module: Any, indices: Iterable[int]) -> list[Any]:
    """Returns the modules at these places of the first axis of all arrays."""
    leaves, treedef = jax.tree_util.tree_flatten(module)
    rows = [_rows(x) for x in leaves]
    return [treedef.unflatten([row(i) for row in rows]) for i in indices]


def _rows(x: Any) -> Callable[[int], Any]:
    """Returns a function that gives the i-th array of a stacked one."""
    if not _is_on_host(x):
        return lambda i: x[i]
    stacked = np.asarray(x)
    as_it_was = np.array if isinstance(x, np.ndarray) else lambda y: jax.device_put(y.copy())
    return lambda i: as_it_was(stacked[i])


def _is_on_host(x: Any) -> bool:
    """Returns whether NumPy can read an array where it is, and nobody placed it there on purpose.

    Stacking and slicing such arrays with NumPy compiles nothing.
    """
    if isinstance(x, np.ndarray):
        return True
    if not isinstance(x, jax.Array) or isinstance(x, Tracer) or x.committed:
        return False
    is_key = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return not is_key and all(device.platform == "cpu" for device in x.devices())


class _Column:
    """The arrays that stand at one place of all modules."""

    def __init__(self, first: Any, count: int) -> None:
        self._stays_numpy = isinstance(first, np.ndarray)
        self._rows: Any = []
        if _is_on_host(first):
            self._rows = np.empty((count, *first.shape), first.dtype)

    def put(self, i: int, x: Any) -> None:
        if not isinstance(self._rows, np.ndarray):
            self._rows.append(x)
        elif _is_on_host(x):
            self._rows[i] = np.asarray(x)  # NumPy reads no JAX array without axes in bfloat16
        else:
            self._rows = [*map(jnp.asarray, self._rows[:i]), x]

    def stacked(self) -> Any:
        if not isinstance(self._rows, np.ndarray):
            return jnp.stack(self._rows)
        return self._rows if self._stays_numpy else jax.device_put(self._rows)


def _check_alike(first: Any, module: Any, i: int) -> None:
    """Raises unless a module has the structure, shapes and dtypes of the first."""
    here = forms(module)
    if jax.tree_util.tree_structure(here) != jax.tree_util.tree_structure(first):
        raise StructureError(
            f"stacked layers must have one structure; layer 0 against layer {i}: "
            f"{all_differences(first, here)}.",
            "build all layers alike: functions defined once and outside, no names of their own, "
            "numbers that differ as arrays; or keep the layers in a list.",
        )
    for error, what in ((ShapeError, "shape"), (DtypeError, "dtype")):
        found = unlike(first, here, operator.attrgetter(what))
        if found:
            raise error(
                f"stacked layers must have arrays of one {what}; layer 0 against layer {i}: "
                f"{some(found)}.",
                "build all layers alike, or keep them in a list.",
            )
