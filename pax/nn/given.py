"""What layers expect of the arrays that they are given, and the errors when it is not so."""

from __future__ import annotations

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pax._core import CallError, DtypeError, Module, ShapeError


def array(module: Module, x: Any, what: str = "input") -> Array:
    """Returns `x` as a JAX array; raises if it is not an array of numbers."""
    if not isinstance(x, (jax.Array, np.ndarray, np.generic)):
        raise DtypeError(
            f"{module!r} got {what} of type {type(x).__name__}; expected an array.",
            "convert it first: jnp.asarray(x).",
        )
    if not jnp.issubdtype(x.dtype, jnp.number) and x.dtype != np.bool_:
        raise DtypeError(
            f"{module!r} got {what} of dtype {x.dtype}; expected an array of numbers.",
            "turn what it holds into numbers first; rows of unequal lengths need padding.",
        )
    return jnp.asarray(x)


def floating(module: Module, x: Any, what: str = "input") -> Array:
    """Returns `x` as a JAX array; raises if its numbers are not floating."""
    x = array(module, x, what)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise DtypeError(
            f"{module!r} got {what} of dtype {x.dtype}; expected a floating dtype.",
            "convert the bytes of an image first: x.astype(jnp.float32) / 255."
            if x.dtype == np.uint8
            else "convert it first: x.astype(jnp.float32).",
        )
    return x


def last_axis(module: Module, x: Array, size: int, argument: str, what: str = "input") -> None:
    """Raises unless the last axis of `x` has this size, an argument of the layer."""
    if x.ndim < 1 or x.shape[-1] != size:
        has = x.shape[-1] if x.ndim else None
        raise ShapeError(
            f"{module!r} got {what} of shape {x.shape}; expected (..., {size}).",
            f"the layer before gives {has} features; build this one with {argument}={has}."
            if has
            else f"give it a last axis of size {size}.",
        )


def channels(module: Module, x: Array, data_format: str, size: int, argument: str) -> None:
    """Raises unless `x` has the rank of the data format and this many channels."""
    axis = data_format.index("C")
    if x.ndim != len(data_format):
        wanted = ", ".join(str(size) if i == axis else c for i, c in enumerate(data_format))
        raise ShapeError(
            f"{module!r} got input of shape {x.shape}; expected {data_format}, ({wanted}).",
            "add the batch axis with x[None]."
            if x.ndim == len(data_format) - 1
            else f"reshape the input to {len(data_format)} axes.",
        )
    if x.shape[axis] != size:
        has = x.shape[axis]
        raise ShapeError(
            f"{module!r} got input of shape {x.shape}: {has} channels in {data_format}; "
            f"expected {size}.",
            f"build the layer with {argument}={has}, or with the data_format of the input."
            if has
            else "give it an input that is not empty.",
        )
    if 0 in x.shape[1:]:
        raise ShapeError(
            f"{module!r} got input of shape {x.shape}, which has a spatial axis of size 0.",
            "give it an input that is not empty; only the batch may be.",
        )


#: Orders of the axes of an input of any rank: channels last, or first after the batch.
FORMATS = ("channels_last", "channels_first", "N...C", "NC...")


def channel_axis_of(data_format: str, rank: int) -> int:
    """Returns the axis of the channels in one of `FORMATS`."""
    return rank - 1 if data_format in ("channels_last", "N...C") else 1


def channel_axis(module: Module, x: Array, data_format: str, size: int) -> int:
    """Returns the axis of the channels in one of `FORMATS`; raises if there are not so many."""
    axis = channel_axis_of(data_format, x.ndim)
    if x.ndim < 2 or x.shape[axis] != size:
        raise ShapeError(
            f"{module!r} got input of shape {x.shape}; expected {size} channels, {data_format}.",
            "build it with the num_channels and data_format of the input.",
        )
    return axis


def resolved_axes(module: Module, x: Array, axis: int | slice | tuple[int, ...]) -> tuple[int, ...]:
    """Returns the axes of `x` that an `axis` argument names; raises if they do not fit."""
    if isinstance(axis, slice):
        axes = tuple(range(x.ndim)[axis])
    else:
        axes = axis if isinstance(axis, tuple) else (axis,)
    if not axes or not all(-x.ndim <= a < x.ndim for a in axes):
        raise ShapeError(
            f"{module!r} got input of shape {x.shape}, which has no axes {axis}.",
            "choose axes that the input has.",
        )
    resolved = tuple(sorted({a % x.ndim for a in axes}))
    if any(x.shape[a] == 0 for a in resolved):
        raise ShapeError(
            f"{module!r} got input of shape {x.shape}, which is empty along the axes to "
            "normalise over and has no mean there.",
            "leave empty inputs out.",
        )
    return resolved


S = TypeVar("S", bound=tuple)


def step_input(module: Module, x: Any, size: int) -> Array:
    """Returns the input of a recurrent step as a JAX array, checked."""
    x = floating(module, x)
    last_axis(module, x, size, "input_dim")
    return x


def state(
    module: Module, value: Any, kind: type[S], x: Array, size: int, first: int | None = None
) -> S:
    """Returns the state of a recurrent cell; raises if it is another thing or does not fit `x`.

    The last axes of its arrays have this size, that of the first one `first`, if given.
    """
    name = kind.__name__
    sizes = (first or size, *(size,) * (len(kind._fields) - 1))  # type: ignore[attr-defined]
    if not isinstance(value, kind):
        raise CallError(
            f"{module!r} got a state of type {type(value).__name__}; expected {name}.",
            "call it as `state, y = cell(state, x)`, first with cell.initial_state(batch_size).",
        )
    parts = [
        floating(module, part, f"{name}.{field}")
        for field, part in zip(kind._fields, value, strict=True)  # type: ignore[attr-defined]
    ]
    for field, part, width in zip(
        kind._fields,  # type: ignore[attr-defined]
        parts,
        sizes,
        strict=True,
    ):
        if part.shape != (*x.shape[:-1], width):
            raise ShapeError(
                f"{module!r} got {name}.{field} of shape {part.shape} with input of shape "
                f"{x.shape}; expected {(*x.shape[:-1], width)}.",
                f"start with cell.initial_state({x.shape[0]})."
                if x.ndim == 2
                else "give state and input the same batch axes.",
            )
    return kind(*parts)


def places(module: Module, shape: tuple[int, ...], positions: Any, what: str) -> Array:
    """Returns the positions of a sequence as a JAX array; 0 ... T - 1 if None.

    Args:
        module: the layer.
        shape: [..., T], that of the sequence without features.
        positions: integers, shape [T] or [..., T], or None.
        what: name of the argument.
    """
    if positions is None:
        return jnp.arange(shape[-1], dtype=np.int32)
    return integers_at(module, shape, positions, what)


def integers_at(module: Module, shape: tuple[int, ...], values: Any, what: str) -> Array:
    """Returns one integer for each place of a sequence, shape [T] or [..., T], checked."""
    values = array(module, values, what)
    if not jnp.issubdtype(values.dtype, jnp.integer):
        raise DtypeError(
            f"{module!r} got {what} of dtype {values.dtype}; expected integers.",
            "give one integer for each place.",
        )
    if values.shape not in (shape[-1:], shape):
        raise ShapeError(
            f"{module!r} got {what} of shape {values.shape}; expected {shape[-1:]} or {shape}.",
            "give one integer for each place, for all sequences or for each.",
        )
    return values


def plain_state(module: Module, value: Any, x: Array, shape: tuple[int, ...]) -> Array:
    """Returns a state that is one array, [..., *shape]; raises if it does not fit `x`."""
    state = floating(module, value, "a state")
    if state.shape != (*x.shape[:-1], *shape):
        raise ShapeError(
            f"{module!r} got a state of shape {state.shape} with input of shape {x.shape}; "
            f"expected {(*x.shape[:-1], *shape)}.",
            f"start with cell.initial_state({x.shape[0]})."
            if x.ndim == 2
            else "give state and input the same batch axes.",
        )
    return state


def weight_dtype(layer: Module) -> np.dtype:
    """Returns the dtype of the weights of a layer, which may be wrapped or be made of layers."""
    found = (x.dtype for x in jax.tree.leaves(layer) if jnp.issubdtype(x.dtype, jnp.floating))
    return next(found)
