"""A layer that puts one of a few vectors in the place of each vector."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int32

import pax.functional as F
import pax.initializers as initializers
from pax._core import (
    DtypeError,
    ShapeError,
    StateModule,
    accumulation_dtype,
    arguments,
    key_or_next,
)
from pax.nn import EMA

#: Added to the counts, so that a vector that is never chosen is divided by something.
SMOOTHING = 1e-5


class VectorQuantizer(StateModule):
    """Puts the nearest vector of a codebook in the place of each vector.

    y = e[k] with k = argmin_i |x - e[i]|; the gradient of y passes to x as it is. While training,
    with decay d and n[i] inputs, of sum s[i], that chose vector i,

      N[i] <- d N[i] + (1 - d) n[i],  m[i] <- d m[i] + (1 - d) s[i],  e[i] = m[i] / N[i],

    so that each vector of the codebook follows the mean of its inputs. Before the division, N is
    smoothed, with K vectors and their total T: (N + 1e-5) / (T + 1e-5 K) T. To start with, N is 1,
    and m is normal of variance 1 / D, cut at two standard deviations.

    Args:
        num_codes: K, number of vectors in the codebook.
        code_dim: D, size of each vector.
        decay_rate: weight of the past in the averages, in [0, 1).
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> x = jax.random.normal(jax.random.key(0), (2, 5, 4))
        >>> net, (y, codes, loss) = pax.purecall(pax.nets.VectorQuantizer(16, 4), x)
        >>> y.shape, codes.shape, loss.shape
        ((2, 5, 4), (2, 5), (2, 5))
    Source: van den Oord et al., "Neural discrete representation learning", 2017
        (arXiv 1711.00937), appendix A; the smoothing is that of the authors' program.
    """

    averages: EMA

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        decay_rate: float = 0.99,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("VectorQuantizer", num_codes=num_codes, code_dim=code_dim)
        decay_rate = arguments.rate("VectorQuantizer", "decay_rate", decay_rate, may_be_one=False)
        self.num_codes = num_codes
        self.code_dim = code_dim
        init = initializers.truncated_normal(stddev=code_dim**-0.5)
        counts = initializers.ones(None, (num_codes,))
        sums = init(key_or_next(rng_key), (num_codes, code_dim))
        self.averages = EMA({"counts": counts, "sums": sums}, decay_rate)

    @property
    def codebook(self) -> Float[Array, "K D"]:
        """The vectors e, shape [K, D], in float32 at least."""
        counts, sums = map(
            _wide, (self.averages.averages["counts"], self.averages.averages["sums"])
        )
        total = counts.sum()
        smoothed = (counts + SMOOTHING) / (total + SMOOTHING * self.num_codes) * total
        return jax.lax.stop_gradient(sums / smoothed[:, None])

    def __call__(
        self, x: Float[ArrayLike, "*B D"]
    ) -> tuple[Float[Array, "*B D"], Int32[Array, "*B"], Float[Array, "*B"]]:
        """Quantizes vectors; while training the codebook follows them.

        Args:
            x: vectors, shape [..., D], floating.
        Returns:
            The vectors y that were chosen, like x; their places k in the codebook, shape [...];
            and the commitment loss, the mean over D of (x - y)^2, shape [...], whose gradient
            moves x alone. The paper adds 0.25 times its mean to the loss.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if the last axis of x is not D.
            PurityError: in training mode outside `pax.pure`.
        """
        x = self._checked(x)
        codebook = self.codebook
        codes = _nearest(x, codebook)
        y = F.embed(codes, codebook.astype(x.dtype))
        if self.training:
            self._follow(x, codes)
        loss = jnp.mean(_wide(x - y) ** 2, axis=-1).astype(x.dtype)
        return y + (x - jax.lax.stop_gradient(x)), codes, loss

    def nearest(self, x: Float[ArrayLike, "*B D"]) -> Int32[Array, "*B"]:
        """Returns the places of the nearest vectors; the codebook does not change.

        Args:
            x: vectors, shape [..., D], floating.
        Returns:
            Places in the codebook, shape [...].
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if the last axis of x is not D.
        """
        return _nearest(self._checked(x), self.codebook)

    def _follow(self, x: Array, codes: Array) -> None:
        """Moves the averages towards these vectors."""
        x, codes = _wide(jax.lax.stop_gradient(x)).reshape(-1, self.code_dim), codes.reshape(-1)
        counts = jax.ops.segment_sum(jnp.ones_like(x[:, 0]), codes, self.num_codes)
        sums = jax.ops.segment_sum(x, codes, self.num_codes)
        self.averages({"counts": counts, "sums": sums})

    def _checked(self, x: Any) -> Array:
        """Returns an input as a JAX array; raises if it cannot be one."""
        if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
            raise DtypeError(
                f"{self!r} got input of dtype {jnp.result_type(x)}; expected a floating dtype.",
                "give it the output of an encoder; codes become vectors by pax.functional.embed.",
            )
        if np.ndim(x) < 1 or np.shape(x)[-1] != self.code_dim:
            raise ShapeError(
                f"{self!r} got input of shape {np.shape(x)}; expected (..., {self.code_dim}).",
                "put the vectors on the last axis, with code_dim the size of one.",
            )
        return jnp.asarray(x)

    def __repr__(self) -> str:
        return self._repr({"num_codes": self.num_codes, "code_dim": self.code_dim})


def _nearest(x: Array, codebook: Array) -> Array:
    """Returns the argmin of |x - e|^2, less |x|^2, which is the same for all e."""
    x = _wide(x)
    products = jnp.einsum("...d,kd->...k", x, codebook.astype(x.dtype))
    norms = jnp.sum(codebook.astype(x.dtype) ** 2, axis=-1)
    distances = jnp.expand_dims(norms, range(x.ndim - 1)) - 2 * products
    return jax.lax.argmin(distances, x.ndim - 1, jnp.int32)


def _wide(x: Array) -> Array:
    """Returns an array in float32 at least."""
    return x.astype(accumulation_dtype(x))
