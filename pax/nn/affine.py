"""Scale and offset of the normalisation layers: the layer's own, or given at the call."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array

import pax.initializers as initializers
from pax._core import ArgumentError, ShapeError, arguments, key_or_next, keys_for_parts
from pax.nn import given


def create(
    module: Any, num_channels: int, scale_init: Any, offset_init: Any, rng_key: Any
) -> tuple[Array | None, Array | None]:
    """Returns the layer's own scale and offset, None where it has none.

    Args:
        module: the layer, with `create_scale` and `create_offset`.
        num_channels: their size.
        scale_init: initializer of the scale, or None for ones.
        offset_init: initializer of the offset, or None for zeros.
        rng_key: random key of the initial values, or None.
    """
    _check(module, "scale", scale_init)
    _check(module, "offset", offset_init)
    drawn = scale_init is not None or offset_init is not None
    scale_key, offset_key = keys_for_parts(key_or_next(rng_key), 2) if drawn else (None, None)
    scale_init, offset_init = scale_init or initializers.ones, offset_init or initializers.zeros
    return (
        _created(module, "scale", num_channels, scale_init, scale_key),
        _created(module, "offset", num_channels, offset_init, offset_key),
    )


def create_scale(module: Any, num_channels: int, scale_init: Any, rng_key: Any) -> Array | None:
    """Returns the own scale of a layer that has no offset, or None; arguments as in `create`."""
    _check(module, "scale", scale_init)
    if scale_init is None:
        return _created(module, "scale", num_channels, initializers.ones, None)
    return _created(module, "scale", num_channels, scale_init, key_or_next(rng_key))


def _check(module: Any, part: str, init: Any) -> None:
    """Raises unless an initializer and the flag of what it draws fit each other."""
    layer, flag = type(module).__name__, f"create_{part}"
    arguments.flags(layer, **{flag: getattr(module, flag)})
    arguments.initializer(layer, f"{part}_init", init)
    if init is not None and not getattr(module, flag):
        raise ArgumentError(
            f"{layer} got {part}_init although {flag} is False.",
            f"leave {part}_init out, or set {flag}=True.",
        )


def _created(module: Any, part: str, num_channels: int, init: Any, rng_key: Any) -> Array | None:
    if not getattr(module, f"create_{part}"):
        return None
    layer = type(module).__name__
    return arguments.drawn(layer, f"{part}_init", init, rng_key, (num_channels,))


def choose(
    module: Any, x: Array, scale: Any, offset: Any, channel_axis: int
) -> tuple[Array | None, Array | None]:
    """Returns scale and offset with the rank of `x`: the layer's own, or those of the call."""
    return (
        choose_part(module, "scale", x, scale, channel_axis),
        choose_part(module, "offset", x, offset, channel_axis),
    )


def choose_part(module: Any, part: str, x: Array, value: Any, channel_axis: int) -> Array | None:
    """Returns "scale" or "offset" with the rank of `x`: the layer's own, or that of the call."""
    own = getattr(module, part)
    if own is not None and value is not None:
        raise ArgumentError(
            f"{module!r} got {part} at the call although it has its own.",
            f"build it with create_{part}=False, or leave {part} out.",
        )
    if own is not None:
        shape = [1] * x.ndim
        shape[channel_axis] = -1
        return own.reshape(shape)
    if value is None:
        return None
    value = given.floating(module, value, part)
    if not _is_broadcastable(value.shape, x.shape):
        raise ShapeError(
            f"{module!r} got {part} of shape {value.shape} for input of shape {x.shape}; "
            "expected a shape that broadcasts to the input's.",
            "give one value for each channel, reshaped to the axes of the input.",
        )
    return value.reshape((1,) * (x.ndim - value.ndim) + value.shape)


def _is_broadcastable(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return len(shape) <= len(to) and all(
        a in (1, b) for a, b in zip(reversed(shape), reversed(to), strict=False)
    )
