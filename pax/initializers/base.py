"""What every initializer is: an object called with a key and a shape."""

from __future__ import annotations

import abc
import dataclasses
import math
import operator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pax._core import ArgumentError, DtypeError
from pax.initializers.blocks import Plan, draw, is_drawable
from pax.initializers.host import full


@dataclasses.dataclass(frozen=True, repr=False)
class Initializer(abc.ABC):
    """An initializer with its arguments: called with a key and a shape, it gives an array.

    The functions of `pax.initializers` return one. It compares by value, can be hashed and
    pickled, and draws what the initializer of the same name in `jax.nn.initializers` does, where
    there is one, to the last bit.

    Args:
        dtype: what is drawn where a call names no dtype; JAX's default float where None.
    Example:
        >>> w_init = pax.initializers.normal(stddev=0.1)
        >>> w_init(jax.random.key(0), (2, 3)).shape
        (2, 3)
    """

    _name: ClassVar[str]
    dtype: Any = dataclasses.field(default=None, kw_only=True)

    @abc.abstractmethod
    def __call__(self, key: Any, shape: Any, dtype: Any = None) -> Array:
        """Returns an array.

        Args:
            key: a random key of JAX, raw or typed.
            shape: the size of each axis.
            dtype: the dtype; the one given to the initializer, else JAX's float, where None.
        Returns:
            An array of this shape and dtype, on the device that JAX would choose.
        Raises:
            ArgumentError: if the key is none, or a size is negative or no integer.
            DtypeError: if random integers are asked for, or complex numbers that the law has not.
        """

    def __repr__(self) -> str:
        """Shows the call that made this initializer, without arguments left at their default."""
        fields = [(field, getattr(self, field.name)) for field in dataclasses.fields(self)]
        shown = [
            f"{field.name}={value!r}"
            for field, value in fields
            if field.default is dataclasses.MISSING or value != field.default
        ]
        return f"{self._name}({', '.join(shown)})"


@dataclasses.dataclass(frozen=True, repr=False)
class RandomInitializer(Initializer):
    """An initializer that draws, in blocks where that gives what JAX would."""

    #: Whether the law has no complex numbers.
    _is_real: ClassVar[bool] = False

    def __call__(self, key: Any, shape: Any, dtype: Any = None) -> Array:
        """Draws an array, as `Initializer.__call__` says."""
        if not isinstance(key, (jax.Array, np.ndarray)):
            raise ArgumentError(
                f"{self} got a key of type {type(key).__name__}; expected a random key.",
                "pass pax.next_rng_key() or jax.random.key(0).",
            )
        shape = checked_shape(self, shape)
        dtype = resolved_dtype(dtype, self.dtype)
        if not jnp.issubdtype(dtype, jnp.floating if self._is_real else jnp.inexact):
            expected = "a floating one" if self._is_real else "a floating or complex one"
            raise DtypeError(
                f"{self} got dtype {dtype}; expected {expected}.",
                "draw in float32, then call .astype on the result.",
            )
        self._check(shape)
        if 0 in shape:
            return full(0, shape, dtype)
        if is_drawable(key, dtype) and (plan := self._plan(shape, dtype)):
            return draw(key, shape, plan)
        return self._of_jax()(key, shape, dtype)

    def _check(self, shape: tuple[int, ...]) -> None:
        """Raises an ArgumentError if this initializer cannot draw this shape."""

    def _plan(self, shape: tuple[int, ...], dtype: np.dtype) -> Plan | None:
        """Returns what to draw, or None where only JAX knows how."""

    @abc.abstractmethod
    def _of_jax(self) -> Any:
        """Returns what draws a whole array: JAX's initializer of this name, where it has one."""


def checked_shape(owner: object, shape: Any) -> tuple[int, ...]:
    """Returns the shape as a tuple of int, or raises an ArgumentError that names `owner`."""
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        sizes = None
    if sizes is None or any(size < 0 for size in sizes):
        raise ArgumentError(
            f"{owner} got shape {shape!r}; expected a tuple of integers, none negative.",
            "write (128, 64), or (64,) for a single axis.",
        )
    return sizes


def resolved_dtype(*choices: Any) -> np.dtype:
    """Returns the first dtype that is not None as NumPy spells it, else JAX's default float."""
    dtype = next((choice for choice in choices if choice is not None), float)
    if any(dtype is kind for kind in (bool, int, float, complex)):
        return jax.dtypes.canonicalize_dtype(dtype)  # Python's types mean JAX's default width
    return jnp.dtype(dtype)


def checked_number(owner: str, name: str, value: Any, lowest: float = -math.inf) -> float:
    """Returns a finite number not below `lowest` as float, or raises an ArgumentError."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= lowest):
        bound = f", {lowest:g} or more" if lowest > -math.inf else ""
        raise ArgumentError(
            f"{owner} got {name}={value!r}; expected a finite number{bound}.",
            f"write {owner}({name}=0.02), for example.",
        )
    return number
