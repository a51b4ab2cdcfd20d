"""Rotary embedding: pairs of entries turned by angles that grow with the position."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, DtypeError, ShapeError, arguments
from pax.functional.arrays import accumulation_dtype, as_array, as_floating
from pax.functional.rotary_scaling import RotaryScaling


def rotary_embed(
    x: ArrayLike,
    positions: ArrayLike,
    *,
    theta: float = 10_000.0,
    convention: str = "halves",
    rotary_dim: int | None = None,
    scaling: RotaryScaling | None = None,
) -> Float[Array, "*B T H K"]:
    """Turns pairs of entries of each head by angles that grow with the position.

    With R the argument `rotary_dim`, i = 0 ... R / 2 - 1, the angle a = position * theta^(-2 i / R)
    and (u, v) the i-th pair: u' = u cos(a) - v sin(a), v' = v cos(a) + u sin(a). The product of a
    query and a key then depends on the difference of their positions. Entries from R on stay.

    The i-th pair is, in the convention "halves", the entries i and i + R / 2 (GPT-NeoX, and Llama
    as in transformers' weights; "rotate half"); in "pairs" the entries 2 i and 2 i + 1 (RoFormer,
    GPT-J, and Llama as in Meta's weights; "interleaved"). Weights trained with one give wrong
    numbers, not an error, with the other.

    Args:
        x: queries or keys, shape [..., T, H, K], floating.
        positions: numbers, shape [T] or [..., T].
        theta: the base of the frequencies.
        convention: "halves" or "pairs".
        rotary_dim: R, the number of entries that are turned, even; None turns all K.
        scaling: how frequencies change for sequences longer than those of training, such as
            `pax.functional.Llama3RotaryScaling`.
    Returns:
        Shape and dtype of x. Frequencies are computed in float64, angles in float32 at least.
    Raises:
        ArgumentError: if theta is not positive, convention or scaling are another, or rotary_dim
            is odd or beyond K.
        DtypeError: if x is not floating, or positions are no numbers.
        ShapeError: if K is odd and rotary_dim not given, or positions do not fit x.
    Example:
        >>> x = jnp.array([[[1.0, 0.0]], [[1.0, 0.0]]])  # T = 2, H = 1, K = 2
        >>> print(pax.functional.rotary_embed(x, jnp.arange(2))[:, 0].round(1))
        [[1.  0. ]
         [0.5 0.8]]
    Source: Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021
        (arXiv 2104.09864).
    """
    x = as_floating("rotary_embed", "x", x)
    positions = as_array("rotary_embed", "positions", positions)
    arguments.positive("rotary_embed", "theta", theta)
    arguments.one_of("rotary_embed", "convention", convention, ("halves", "pairs"))
    if scaling is not None and not isinstance(scaling, RotaryScaling):
        raise ArgumentError(
            f"rotary_embed got scaling of type {type(scaling).__name__}; expected a scaling of "
            "pax.functional.",
            "write scaling=pax.functional.LinearRotaryScaling(factor=4.0).",
        )
    _check_shapes(x, positions, rotary_dim)
    if not jnp.issubdtype(positions.dtype, jnp.number):
        raise DtypeError(
            f"rotary_embed got positions of dtype {positions.dtype}; expected numbers.",
            "give one number for each place: jnp.arange(x.shape[-3]).",
        )
    rotary_dim = x.shape[-1] if rotary_dim is None else int(rotary_dim)
    scaling = RotaryScaling() if scaling is None else scaling
    return _turned(x, positions, float(theta), convention, rotary_dim, scaling)


def _check_shapes(x: Array, positions: Array, rotary_dim: int | None) -> None:
    if x.ndim < 3 or positions.shape not in (x.shape[-3:-2], x.shape[:-2]):
        wanted = f"{x.shape[-3:-2]} or {x.shape[:-2]}" if x.ndim > 2 else "(T,) or (..., T)"
        raise ShapeError(
            f"rotary_embed got x of shape {x.shape} and positions of shape {positions.shape}; "
            f"expected (..., T, H, K) and {wanted}.",
            "split the last axis of x into heads first, and give one position for each place.",
        )
    if rotary_dim is None:
        if x.shape[-1] % 2:
            raise ShapeError(
                f"rotary_embed got x of shape {x.shape}, whose last axis is odd.",
                f"entries are turned in pairs: choose an even width, or "
                f"rotary_dim={x.shape[-1] - 1}.",
            )
    elif not arguments.is_int(rotary_dim) or rotary_dim % 2 or not 0 < rotary_dim <= x.shape[-1]:
        raise ArgumentError(
            f"rotary_embed got rotary_dim={rotary_dim!r} for x of shape {x.shape}; expected an "
            f"even integer from 2 to {x.shape[-1]}.",
            "entries are turned in pairs: choose an even number of them, or None for all.",
        )


@partial(jax.jit, static_argnums=(2, 3, 4, 5), inline=True)  # one dispatch where called eagerly
def _turned(
    x: Array,
    positions: Array,
    theta: float,
    convention: str,
    rotary_dim: int,
    scaling: RotaryScaling,
) -> Array:
    wide = accumulation_dtype(x)
    frequencies = scaling.frequencies(rotary_dim, theta).astype(wide)  # float64 until here
    at = positions.astype(wide).reshape((1,) * (x.ndim - 2 - positions.ndim) + (*positions.shape,))
    angles = at[..., None, None] * frequencies.reshape((1,) * (x.ndim - 1) + (-1,))
    size = jnp.asarray(scaling.magnitude(), wide)
    cos, sin = size * jnp.cos(angles), size * jnp.sin(angles)  # [..., T, 1, R / 2]
    part = x[..., :rotary_dim].astype(wide)
    if convention == "halves":
        u, v = jnp.split(part, 2, axis=-1)
    else:
        u, v = part[..., ::2], part[..., 1::2]
    turned = u * cos - v * sin, v * cos + u * sin
    if convention == "halves":
        y = jnp.concatenate(turned, axis=-1)
    else:
        y = jnp.stack(turned, axis=-1).reshape(part.shape)
    return jnp.concatenate([y.astype(x.dtype), x[..., rotary_dim:]], axis=-1)
