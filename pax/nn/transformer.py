"""Stacks of transformer blocks: an encoder, and a decoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, ArrayLike, Float, Integer, Shaped

import pax.functional as F
from pax._core import Module, arguments, keys_for_parts
from pax.nn.attention import MultiHeadAttention
from pax.nn.mlp import MLP
from pax.nn.stacked import Stack
from pax.nn.transformer_block import MakeNorm, TransformerBlock, made_norm

Activation = Module | Callable[..., Any]
Remat = bool | Callable[..., bool] | None


class TransformerEncoder(Module):
    """A stack of transformer blocks in which all places see each other.

    Each block is attention and fc2(activation(fc1(x))), as `pax.TransformerBlock` puts them
    together; with `norm_first` a norm stands at the end. Positions are not encoded: add an
    encoding to the input. For other attention or dense blocks:
    `pax.Stack(lambda: pax.TransformerBlock(...), num_layers)`.

    Args:
        dim: D, width of the sequences.
        num_heads: number of attention heads; it divides dim.
        num_layers: L, number of blocks.
        hidden_dim: width inside the dense blocks; 4 D by default.
        activation: a function or module; the approximate gelu by default.
        norm: builds the norm of a width; by default a `pax.LayerNorm` with scale and offset.
        norm_first: whether norms stand before the parts, or after the sums.
        dropout_rate: as in `pax.TransformerBlock`.
        remat: as in `pax.Stack`.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> encoder = pax.TransformerEncoder(8, num_heads=2, num_layers=3)
        >>> encoder(jnp.ones((2, 5, 8))).shape
        (2, 5, 8)
    Source: Vaswani et al., "Attention is all you need", 2017 (arXiv 1706.03762).
    """

    blocks: Stack
    norm: Module | None

    def __init__(
        self,
        dim: int,
        num_heads: int,
        num_layers: int,
        *,
        hidden_dim: int | None = None,
        activation: Activation = F.gelu,
        norm: MakeNorm | None = None,
        norm_first: bool = True,
        dropout_rate: float = 0.0,
        remat: Remat = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.dim = dim
        self.num_heads = num_heads
        self.num_layers = num_layers
        self.hidden_dim = _checked("TransformerEncoder", dim, num_heads, num_layers, hidden_dim)

        def make_block(rng_key: Any = None) -> TransformerBlock:
            attention_key, dense_key = keys_for_parts(rng_key, 2)
            return TransformerBlock(
                MultiHeadAttention(num_heads, dim // num_heads, 1.0, rng_key=attention_key),
                MLP((dim, self.hidden_dim, dim), activation, rng_key=dense_key),
                norm,
                norm_first=norm_first,
                dropout_rate=dropout_rate,
            )

        self.blocks = Stack(make_block, num_layers, remat, rng_key=rng_key)
        self.norm = made_norm("TransformerEncoder", norm, dim) if norm_first else None

    def __call__(
        self,
        x: Float[ArrayLike, "*B T D"],
        mask: Shaped[ArrayLike, "..."] | None = None,
        **options: Any,
    ) -> Float[Array, "*B T D"]:
        """Runs the blocks.

        Args:
            x: sequences, shape [..., T, D], floating.
            mask: which places each may see, in the shapes of `pax.MultiHeadAttention`; to hide
                padding, `is_held[:, None, None, :]` of [B, T].
            options: what attention gets besides, such as `segment_ids`.
        Returns:
            Shape and dtype of x.
        Raises:
            DtypeError: if x is not a floating array.
            ShapeError: if shapes do not fit.
            PurityError: in training mode with dropout, outside `pax.pure`.
        """
        y = self.blocks(x, mask=mask, **options)
        return y if self.norm is None else self.norm(y)  # type: ignore[operator]

    def __repr__(self) -> str:
        return self._repr(_shown(self))


class TransformerDecoder(Module):
    """A stack of transformer blocks in which no place sees a later one, and all see a source.

    The blocks are those of `pax.TransformerEncoder`, causal, and with cross-attention where
    there is a source; with `norm_first` a norm stands at the end.

    Args:
        dim: D, width of the sequences.
        num_heads: number of attention heads; it divides dim.
        num_layers: L, number of blocks.
        source_dim: width of the source; None for a decoder that sees no other sequence.
        hidden_dim: width inside the dense blocks; 4 D by default.
        activation: a function or module; the approximate gelu by default.
        norm: builds the norm of a width; by default a `pax.LayerNorm` with scale and offset.
        norm_first: whether norms stand before the parts, or after the sums.
        dropout_rate: as in `pax.TransformerBlock`.
        remat: as in `pax.Stack`.
        rng_key: random key of the initial values; by default keys of `pax.next_rng_key()`.
        name: name of the module.
    Raises:
        ArgumentError: if an argument cannot be right; it is named.
    Example:
        >>> decoder = pax.TransformerDecoder(8, num_heads=2, num_layers=1)
        >>> x = jax.random.normal(jax.random.key(0), (2, 5, 8))
        >>> first, cache = decoder.decode(x[:, :3], decoder.make_cache(2, max_length=5))
        >>> last, cache = decoder.decode(x[:, 3:], cache)
        >>> bool(jnp.allclose(last, decoder(x)[:, 3:], atol=1e-5))
        True
    Source: Vaswani et al., "Attention is all you need", 2017 (arXiv 1706.03762).
    """

    blocks: Stack
    norm: Module | None

    def __init__(
        self,
        dim: int,
        num_heads: int,
        num_layers: int,
        *,
        source_dim: int | None = None,
        hidden_dim: int | None = None,
        activation: Activation = F.gelu,
        norm: MakeNorm | None = None,
        norm_first: bool = True,
        dropout_rate: float = 0.0,
        remat: Remat = None,
        rng_key: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if source_dim is not None:
            arguments.sizes("TransformerDecoder", source_dim=source_dim)
        self.dim = dim
        self.num_heads = num_heads
        self.num_layers = num_layers
        self.source_dim = source_dim
        self.hidden_dim = _checked("TransformerDecoder", dim, num_heads, num_layers, hidden_dim)

        def make_block(rng_key: Any = None) -> TransformerBlock:
            attention_key, cross_key, dense_key = keys_for_parts(rng_key, 3)
            sizes = num_heads, dim // num_heads, 1.0
            cross = None
            if source_dim is not None:
                cross = MultiHeadAttention(*sizes, key_dim=source_dim, rng_key=cross_key)
            return TransformerBlock(
                MultiHeadAttention(*sizes, rng_key=attention_key),
                MLP((dim, self.hidden_dim, dim), activation, rng_key=dense_key),
                norm,
                cross_attention=cross,
                norm_first=norm_first,
                dropout_rate=dropout_rate,
                is_causal=True,
            )

        self.blocks = Stack(make_block, num_layers, remat, rng_key=rng_key)
        self.norm = made_norm("TransformerDecoder", norm, dim) if norm_first else None

    def __call__(
        self,
        x: Float[ArrayLike, "*B T D"],
        source: Float[ArrayLike, "*B S _"] | None = None,
        mask: Shaped[ArrayLike, "..."] | None = None,
        source_mask: Shaped[ArrayLike, "*B S"] | None = None,
        **options: Any,
    ) -> Float[Array, "*B T D"]:
        """Runs the blocks.

        Args:
            x: sequences, shape [..., T, D], floating.
            source: the sequences that cross-attention sees, shape [..., S, source_dim]; given if
                and only if there is a source_dim.
            mask: which places each may see besides, in the shapes of `pax.MultiHeadAttention`.
            source_mask: which places of the source may be seen, true or not zero, shape [..., S].
            options: what attention gets besides, such as `segment_ids`.
        Returns:
            Shape and dtype of x.
        Raises:
            ArgumentError: if source is missing, or given without source_dim.
            DtypeError: if x or source is not a floating array.
            ShapeError: if shapes do not fit.
            PurityError: in training mode with dropout, outside `pax.pure`.
        """
        y = self.blocks(x, source, mask, source_mask, **options)
        return y if self.norm is None else self.norm(y)  # type: ignore[operator]

    def make_cache(
        self,
        batch_size: int,
        max_length: int,
        *,
        source: Float[ArrayLike, "B S _"] | None = None,
        source_mask: Shaped[ArrayLike, "B S"] | None = None,
        dtype: Any = None,
    ) -> Any:
        """Returns a cache of no tokens, for `decode`.

        Args:
            batch_size: B.
            max_length: the most tokens of a row.
            source: what cross-attention sees, shape [B, S, source_dim].
            source_mask: which places of the source may be seen, shape [B, S].
            dtype: of keys and values; by default that of the weights.
        Returns:
            The caches of all blocks as one tree, with leaves of shape [B, L, ...].
        Raises:
            ArgumentError: if a size cannot be right, or source is missing or given without
                source_dim.
            ShapeError: if the source has another batch size.
        """
        options = {"source": source, "source_mask": source_mask, "dtype": dtype}
        return self.blocks.make_cache(batch_size, max_length, **options)

    def decode(
        self,
        x: Float[ArrayLike, "B T D"],
        cache: Any,
        *,
        lengths: Integer[ArrayLike, "B"] | None = None,
        **options: Any,
    ) -> tuple[Float[Array, "B T D"], Any]:
        """Reads the next tokens, as `pax.MultiHeadAttention.decode` does.

        Args:
            x: the next tokens, shape [B, T, D].
            cache: what `make_cache` or the last call returned.
            lengths: how many of the T places of each row hold tokens, [B]; all by default.
            options: what the decoding of the attention gets besides.
        Returns:
            The outputs, shape [B, T, D], and the cache with the tokens.
        Raises:
            ArgumentError: if the cache cannot hold the tokens, or a length is not in 0 ... T.
            DtypeError: if x is not floating, or lengths are not integers.
            ShapeError: if shapes do not fit.
        """
        y, cache = self.blocks.decode(x, cache, lengths=lengths, **options)
        return (y if self.norm is None else self.norm(y)), cache  # type: ignore[operator]

    def __repr__(self) -> str:
        return self._repr(_shown(self) | {"source_dim": self.source_dim})


def _checked(layer: str, dim: int, num_heads: int, num_layers: int, hidden_dim: int | None) -> int:
    """Returns the width inside the dense blocks; raises if sizes cannot be right."""
    arguments.sizes(layer, dim=dim, num_heads=num_heads, num_layers=num_layers)
    arguments.heads_of(layer, dim, num_heads)
    if hidden_dim is None:
        return 4 * dim
    arguments.sizes(layer, hidden_dim=hidden_dim)
    return hidden_dim


def _shown(module: Any) -> dict[str, Any]:
    names = ("dim", "num_heads", "num_layers", "hidden_dim")
    return {name: getattr(module, name) for name in names}
