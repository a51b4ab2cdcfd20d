"""Noise: random numbers added to an array."""

from __future__ import annotations

from functools import partial

import jax
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from pax._core import ArgumentError, arguments
from pax.functional.arrays import accumulation_dtype, as_floating


def gaussian_noise(rng_key: ArrayLike, stddev: float, x: ArrayLike) -> Float[Array, "..."]:
    """Adds normal noise to each entry.

    y = x + s e, with s the argument `stddev` and e drawn by `jax.random.normal(rng_key, x.shape)`
    in float32, or in float64 for x of that dtype.

    Args:
        rng_key: the random key of the draw.
        stddev: s, the standard deviation of the noise, at least 0.
        x: input, any shape, floating.
    Returns:
        Shape and dtype of x.
    Raises:
        ArgumentError: if stddev is not a finite number of at least 0.
        DtypeError: if x is not floating.
    Example:
        >>> y = pax.functional.gaussian_noise(jax.random.key(0), 2.0, jnp.zeros((10_000,)))
        >>> abs(float(y.std()) - 2) < 0.1
        True
    """
    if not arguments.is_number(stddev) or stddev < 0:
        raise ArgumentError(
            f"gaussian_noise got stddev={stddev!r}; expected a finite number of at least 0.",
            "give the standard deviation of the noise, e.g. stddev=0.1.",
        )
    x = as_floating("gaussian_noise", "x", x)
    return x if stddev == 0 else _with_noise(rng_key, float(stddev), x)


@partial(jax.jit, static_argnums=1, inline=True)  # one dispatch where called eagerly
def _with_noise(rng_key: ArrayLike, stddev: float, x: Array) -> Array:
    noise = jax.random.normal(rng_key, x.shape, accumulation_dtype(x))
    return x + (stddev * noise).astype(x.dtype)
