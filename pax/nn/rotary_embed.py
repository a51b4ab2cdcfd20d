"""Rotary embedding as a layer."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array, ArrayLike, Float, Num

import pax.functional as F
from pax._core import ArgumentError, Module, ShapeError, arguments
from pax.nn import given


class RotaryEmbed(Module):
    """Turns pairs of entries of queries and keys by angles that grow with the position.

    The formula is that of `pax.functional.rotary_embed`; nothing is trained. Give it to an
    attention layer, `pax.MultiHeadAttention(..., position=pax.RotaryEmbed(key_size))`.

    Args:
        key_size: K, width of each head.
        theta: the base of the frequencies.
        convention: which entries are a pair: "halves", i and i + R / 2 (GPT-NeoX, Llama as in
            transformers' weights; "rotate half"), or "pairs", 2 i and 2 i + 1 (RoFormer, GPT-J,
            Llama as in Meta's weights; "interleaved").
        rotary_dim: R, the number of entries of each head that are turned; None turns all.
        scaling: how frequencies change for sequences longer than those of training:
            `LinearRotaryScaling`, `NTKRotaryScaling`, `YarnRotaryScaling` or
            `Llama3RotaryScaling`, all in `pax.functional`.
        name: name of the module.
    Raises:
        ArgumentError: if the number of entries to turn is odd or beyond K, or another argument
            cannot be right.
    Example:
        >>> pax.RotaryEmbed(8, theta=500000.0)(jnp.ones((2, 5, 4, 8))).shape
        (2, 5, 4, 8)
    Source: Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021
        (arXiv 2104.09864).
    """

    def __init__(
        self,
        key_size: int,
        *,
        theta: float = 10_000.0,
        convention: str = "halves",
        rotary_dim: int | None = None,
        scaling: F.RotaryScaling | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        arguments.sizes("RotaryEmbed", key_size=key_size)
        if rotary_dim is None and key_size % 2:
            raise ArgumentError(
                f"RotaryEmbed got key_size={key_size!r}, which is odd.",
                f"entries are turned in pairs: choose an even key_size, or "
                f"rotary_dim={key_size - 1}.",
            )
        if rotary_dim is not None and (
            not arguments.is_int(rotary_dim) or rotary_dim % 2 or not 0 < rotary_dim <= key_size
        ):
            raise ArgumentError(
                f"RotaryEmbed got rotary_dim={rotary_dim!r} for key_size={key_size!r}; expected "
                f"an even integer from 2 to {key_size}.",
                "entries are turned in pairs: choose an even number of them, or None for all.",
            )
        arguments.one_of("RotaryEmbed", "convention", convention, ("halves", "pairs"))
        if scaling is not None and not isinstance(scaling, F.RotaryScaling):
            raise ArgumentError(
                f"RotaryEmbed got scaling of type {type(scaling).__name__}; expected a scaling of "
                "pax.functional.",
                "write scaling=pax.functional.LinearRotaryScaling(factor=4.0).",
            )
        self.key_size = key_size
        self.theta = arguments.positive("RotaryEmbed", "theta", theta)
        self.convention = convention
        self.rotary_dim = rotary_dim
        self.scaling = scaling

    def __call__(
        self,
        x: Float[ArrayLike, "*B T H key_size"],
        positions: Num[ArrayLike, "..."] | None = None,
    ) -> Float[Array, "*B T H key_size"]:
        """Turns queries or keys.

        Args:
            x: shape [..., T, H, K], floating.
            positions: integers, shape [T] or [..., T]; 0 ... T - 1 by default.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if x is not [..., T, H, K], or positions do not fit.
        """
        x = given.floating(self, x)
        if x.ndim < 3 or x.shape[-1] != self.key_size:
            raise ShapeError(
                f"{self!r} got input of shape {x.shape}; expected (..., T, H, {self.key_size}).",
                "split the last axis into heads first: x.reshape(*x.shape[:-1], num_heads, "
                "key_size).",
            )
        places = given.places(self, x.shape[:-2], positions, "positions")
        options: dict[str, Any] = {"convention": self.convention, "rotary_dim": self.rotary_dim}
        return F.rotary_embed(x, places, theta=self.theta, scaling=self.scaling, **options)

    def __repr__(self) -> str:
        return self._repr(
            {
                "key_size": self.key_size,
                "theta": self.theta,
                "convention": self.convention,
                "rotary_dim": self.rotary_dim,
                "scaling": self.scaling,
            }
        )
