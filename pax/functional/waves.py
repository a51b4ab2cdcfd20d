"""Numbers as sines and cosines of many frequencies."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, ShapeError, arguments
from pax.functional.arrays import accumulation_dtype, as_array, as_floating


def sinusoidal_embed(
    x: ArrayLike,
    embed_dim: int,
    *,
    convention: str = "transformer",
    max_period: float = 10_000.0,
) -> Float[Array, "*B embed_dim"]:
    """Encodes positions or times as sines and cosines.

    With h = embed_dim / 2, i = 0 ... h - 1 and P the argument `max_period`:
    in the convention "transformer" y[2 i] = sin(x / P^(i / h)) and y[2 i + 1] = cos(x / P^(i / h));
    in "diffusion" y[i] = sin(x / P^(i / (h - 1))) and y[h + i] = cos(x / P^(i / (h - 1))).

    Args:
        x: positions or times, integers or floating numbers of any shape [...].
        embed_dim: size of the encoding; even.
        convention: "transformer", sines and cosines in turns, the longest period P^((h - 1) / h)
            times 2 pi; or "diffusion", first all sines, the longest period P times 2 pi.
        max_period: P.
    Returns:
        Shape [..., embed_dim], dtype of x, or float32 for integers (float64 with 64-bit numbers
        enabled).
    Raises:
        ArgumentError: if embed_dim is not a positive even integer (from 4 for "diffusion"),
            convention is another, or max_period is not positive.
        DtypeError: if x is no array of numbers.
    Example:
        >>> print(pax.functional.sinusoidal_embed(jnp.arange(2), 4).round(1))
        [[0.  1.  0.  1. ]
         [0.8 0.5 0.  1. ]]
    Source: Vaswani et al., "Attention is all you need", 2017 (arXiv 1706.03762); for times: Ho et
        al., "Denoising diffusion probabilistic models", 2020 (arXiv 2006.11239).
    """
    arguments.one_of("sinusoidal_embed", "convention", convention, ("transformer", "diffusion"))
    arguments.positive("sinusoidal_embed", "max_period", max_period)
    least = 4 if convention == "diffusion" else 2
    if not arguments.is_int(embed_dim) or embed_dim < least or embed_dim % 2:
        raise ArgumentError(
            f"sinusoidal_embed got embed_dim={embed_dim!r}; expected an even integer of at least "
            f"{least}.",
            "half of the entries are sines and half cosines: choose an even embed_dim.",
        )
    x = as_array("sinusoidal_embed", "x", x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        x = x.astype(jnp.result_type(float))
    return _sinusoidal(x, int(embed_dim), convention, float(max_period))


@partial(jax.jit, static_argnums=(1, 2, 3), inline=True)  # one dispatch where called eagerly
def _sinusoidal(x: Array, embed_dim: int, convention: str, max_period: float) -> Array:
    half = embed_dim // 2
    steps = half if convention == "transformer" else half - 1
    wide = accumulation_dtype(x)
    frequencies = (max_period ** -(np.arange(half) / steps)).astype(wide)  # in float64 first
    angles = x.astype(wide)[..., None] * frequencies.reshape((1,) * x.ndim + (half,))
    waves = jnp.sin(angles), jnp.cos(angles)
    if convention == "transformer":
        y = jnp.stack(waves, axis=-1).reshape(*x.shape, embed_dim)
    else:
        y = jnp.concatenate(waves, axis=-1)
    return y.astype(x.dtype)


def fourier_embed(x: ArrayLike, frequencies: ArrayLike) -> Float[Array, "*B embed_dim"]:
    """Encodes points as cosines and sines along given directions: Fourier features.

    y = [cos(2 pi x F), sin(2 pi x F)], with F the argument `frequencies`.

    Args:
        x: points, shape [..., in_dim], floating.
        frequencies: F, shape [in_dim, embed_dim / 2], floating.
    Returns:
        Shape [..., embed_dim], dtype of x: all cosines, then all sines.
    Raises:
        DtypeError: if an argument is not floating.
        ShapeError: if frequencies have not two axes, or the last axis of x does not fit.
    Example:
        >>> frequencies = jnp.array([[1.0, 2.0]])
        >>> print(pax.functional.fourier_embed(jnp.array([0.5]), frequencies).round(2) + 0.0)
        [-1.  1.  0.  0.]
    Source: Tancik et al., "Fourier features let networks learn high frequency functions in low
        dimensional domains", 2020 (arXiv 2006.10739).
    """
    x = as_floating("fourier_embed", "x", x)
    frequencies = as_floating("fourier_embed", "frequencies", frequencies)
    if frequencies.ndim != 2 or x.ndim == 0 or x.shape[-1] != frequencies.shape[0]:
        raise ShapeError(
            f"fourier_embed got x of shape {x.shape} and frequencies of shape "
            f"{frequencies.shape}; expected [..., in_dim] and [in_dim, embed_dim / 2].",
            "give single numbers a last axis of size 1: x[..., None].",
        )
    return _fourier(x, frequencies)


@partial(jax.jit, inline=True)  # one dispatch where called eagerly
def _fourier(x: Array, frequencies: Array) -> Array:
    wide = accumulation_dtype(x)
    turns = jnp.dot(x.astype(wide), frequencies.astype(wide), precision="highest")
    angles = 2 * np.pi * turns
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1).astype(x.dtype)
