"""Scale and offset of the normalisation layers: the layer's own, or given at the call."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array

import pax.initializers as initializers
from pax._core import ArgumentError, ShapeError, arguments, key_or_next
from pax.nn import given, keys


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
    layer = type(module).__name__
    arguments.flags(layer, create_scale=module.create_scale, create_offset=module.create_offset)
    for part, init in (("scale", scale_init), ("offset", offset_init)):
        arguments.initializer(layer, f"{part}_init", init)
        if init is not None and not getattr(module, f"create_{part}"):
            raise ArgumentError(
                f"{layer} got {part}_init although create_{part} is False.",
                f"leave {part}_init out, or set create_{part}=True.",
            )
    drawn = scale_init is not None or offset_init is not None
    scale_key, offset_key = keys.for_parts(key_or_next(rng_key), 2) if drawn else (None, None)
    scale = offset = None
    if module.create_scale:
        init = scale_init or initializers.ones
        scale = arguments.drawn(layer, "scale_init", init, scale_key, (num_channels,))
    if module.create_offset:
        init = offset_init or initializers.zeros
        offset = arguments.drawn(layer, "offset_init", init, offset_key, (num_channels,))
    return scale, offset


def choose(
    module: Any, x: Array, scale: Any, offset: Any, channel_axis: int
) -> tuple[Array | None, Array | None]:
    """Returns scale and offset with the rank of `x`: the layer's own, or those of the call."""
    return (
        _choose(module, "scale", x, scale, channel_axis),
        _choose(module, "offset", x, offset, channel_axis),
    )


def _choose(module: Any, part: str, x: Array, value: Any, channel_axis: int) -> Array | None:
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
