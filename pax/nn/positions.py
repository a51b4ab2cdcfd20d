"""Positions, times and points as vectors."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array, ArrayLike, Float, Integer, Num

import pax.functional as F
import pax.initializers as initializers
from pax._core import (
    ArgumentError,
    Module,
    ParameterModule,
    ShapeError,
    StateModule,
    arguments,
    key_or_next,
)
from pax.nn import given


class PositionEmbed(ParameterModule):
    """Adds a trainable vector for each position to a sequence.

    y[t] = x[t] + W[t], with W of shape [max_length, embed_dim].

    Args:
        max_length: number of positions.
        embed_dim: size of each vector.
        w_init: draws W as `w_init(rng_key, shape)`; by default a normal law of standard deviation
            0.02, cut at two of them.
        rng_key: random key of the initial values; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, or w_init cannot be called.
    Example:
        >>> net = pax.Sequential(pax.Embed(100, 8), pax.PositionEmbed(16, 8))
        >>> net(jnp.array([[3, 1, 4]])).shape
        (1, 3, 8)
    Source: Gehring et al., "Convolutional sequence to sequence learning", 2017 (arXiv
        1705.03122).
    """

    weight: Float[Array, "max_length embed_dim"]

    def __init__(
        self,
        max_length: int,
        embed_dim: int,
        w_init: arguments.Initializer | None = None,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("PositionEmbed", max_length=max_length, embed_dim=embed_dim)
        arguments.initializer("PositionEmbed", "w_init", w_init)
        self.max_length = max_length
        self.embed_dim = embed_dim
        init = w_init or initializers.truncated_normal(stddev=0.02)
        key, shape = key_or_next(rng_key), (max_length, embed_dim)
        self.weight = arguments.drawn("PositionEmbed", "w_init", init, key, shape)

    def __call__(
        self,
        x: Float[ArrayLike, "*batch T embed_dim"],
        positions: Integer[ArrayLike, "..."] | None = None,
    ) -> Float[Array, "*batch T embed_dim"]:
        """Adds the vectors of the positions.

        Args:
            x: sequences, shape [..., T, embed_dim], floating.
            positions: integers in [0, max_length), shape [T] or [..., T], such as where x goes on
                with an earlier sequence; 0 ... T - 1 by default. What is not a position gives NaN.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array, or positions are not integers.
            ShapeError: if the last axis of x is not embed_dim, T is beyond max_length, or
                positions do not fit x.
        """
        x = given.floating(self, x)
        if x.ndim < 2 or x.shape[-1] != self.embed_dim:
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}; expected (..., time, {self.embed_dim}).",
                f"turn tokens into vectors first: pax.Embed(vocab_size, {self.embed_dim})(tokens).",
            )
        if positions is not None:
            at = given.array(self, positions, "positions")
            if at.shape not in (x.shape[:-1], x.shape[-2:-1]):
                raise ShapeError(
                    f"{self!r} got positions of shape {at.shape} with input of shape {x.shape}; "
                    f"expected {x.shape[-2:-1]} or {x.shape[:-1]}.",
                    "give one position for each place in time.",
                )
            added = F.embed(at, self.weight)
        elif x.shape[-2] > self.max_length:
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}: {x.shape[-2]} places in time; expected "
                f"at most {self.max_length}.",
                f"build it with max_length={x.shape[-2]}, or cut the sequence.",
            )
        else:
            added = self.weight[: x.shape[-2]]
        return x + added.astype(x.dtype).reshape((1,) * (x.ndim - added.ndim) + added.shape)

    def __repr__(self) -> str:
        return self._repr({"max_length": self.max_length, "embed_dim": self.embed_dim})


class SinusoidalEmbed(Module):
    """Encodes positions or times as sines and cosines; nothing is trained.

    For positions of a sequence ("transformer") or times of a diffusion ("diffusion"); the order of
    the entries and the frequencies of both are at `pax.functional.sinusoidal_embed`.

    Args:
        embed_dim: size of the encoding; even.
        convention: "transformer" or "diffusion".
        max_period: the longest period is about this times 2 pi.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> x = jnp.ones((2, 5, 8))
        >>> positions = jnp.arange(5)
        >>> (x + pax.SinusoidalEmbed(8)(positions)[None]).shape
        (2, 5, 8)
        >>> times = jnp.array([0.0, 999.0])
        >>> pax.SinusoidalEmbed(8, convention="diffusion")(times).shape
        (2, 8)
    Source: Vaswani et al., "Attention is all you need", 2017 (arXiv 1706.03762); for times: Ho et
        al., "Denoising diffusion probabilistic models", 2020 (arXiv 2006.11239).
    """

    def __init__(
        self,
        embed_dim: int,
        *,
        convention: str = "transformer",
        max_period: float = 10_000.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.one_of("SinusoidalEmbed", "convention", convention, ("transformer", "diffusion"))
        least = 4 if convention == "diffusion" else 2
        if not arguments.is_int(embed_dim) or embed_dim < least or embed_dim % 2:
            raise ArgumentError(
                f"SinusoidalEmbed got embed_dim={embed_dim!r}; expected an even integer of at "
                f"least {least}.",
                "half of the entries are sines and half cosines: choose an even embed_dim.",
            )
        self.embed_dim = embed_dim
        self.convention = convention
        self.max_period = arguments.positive("SinusoidalEmbed", "max_period", max_period)

    def __call__(self, x: Num[ArrayLike, "*shape"]) -> Float[Array, "*shape {self.embed_dim}"]:
        """Encodes x.

        Args:
            x: positions or times, integers or floating numbers of any shape.
        Returns:
            Shape [*x.shape, embed_dim], dtype of x, or float32 for integers.
        Raises:
            DtypeError: if x is not an array.
        """
        return F.sinusoidal_embed(
            given.array(self, x),
            self.embed_dim,
            convention=self.convention,
            max_period=self.max_period,
        )

    def __repr__(self) -> str:
        return self._repr({"embed_dim": self.embed_dim, "convention": self.convention})


class FourierEmbed(StateModule):
    """Encodes points by random Fourier features, which are drawn once and not trained.

    y = [cos(2 pi x F), sin(2 pi x F)], with F, the array `frequencies`, of shape
    [in_dim, embed_dim / 2], drawn from a normal law. What lies closer than about 1 / stddev looks
    alike.

    Args:
        in_dim: size of the last axis of the input; 1 for times, given as `t[..., None]`.
        embed_dim: size of the encoding; even.
        stddev: standard deviation of the frequencies.
        rng_key: random key of the frequencies; by default the next of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if a size is not a positive integer, embed_dim is odd, or stddev is not
            positive.
    Example:
        >>> pax.FourierEmbed(2, 16, 10.0)(jnp.ones((5, 2))).shape
        (5, 16)
    Source: Tancik et al., "Fourier features let networks learn high frequency functions in low
        dimensional domains", 2020 (arXiv 2006.10739).
    """

    frequencies: Float[Array, "in_dim half"]

    def __init__(
        self,
        in_dim: int,
        embed_dim: int,
        stddev: float = 1.0,
        *,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("FourierEmbed", in_dim=in_dim, embed_dim=embed_dim)
        if embed_dim % 2:
            raise ArgumentError(
                f"FourierEmbed got embed_dim={embed_dim}; expected an even integer.",
                "half of the entries are cosines and half sines: choose an even embed_dim.",
            )
        self.in_dim = in_dim
        self.embed_dim = embed_dim
        self.stddev = arguments.positive("FourierEmbed", "stddev", stddev)
        init = initializers.normal(self.stddev)
        self.frequencies = init(key_or_next(rng_key), (in_dim, embed_dim // 2))

    def __call__(self, x: Float[ArrayLike, "*batch in_dim"]) -> Float[Array, "*batch embed_dim"]:
        """Encodes x.

        Args:
            x: points, shape [..., in_dim], floating.
        Returns:
            Shape [..., embed_dim], dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if the last axis of x is not in_dim.
        """
        x = given.floating(self, x)
        given.last_axis(self, x, self.in_dim, "in_dim")
        return F.fourier_embed(x, self.frequencies)

    def __repr__(self) -> str:
        return self._repr(
            {"in_dim": self.in_dim, "embed_dim": self.embed_dim, "stddev": self.stddev}
        )
